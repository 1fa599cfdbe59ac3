from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.ground import aside
from sdcoreml.ground.aside import (
    _claim,
    drop_lock,
    file_aside,
    folder_aside,
    require_space,
    reserve,
    scratch_beside,
    scratch_near,
    sole_maker,
    update_text,
    write_text,
)
from sdcoreml.ground.errors import BadInputError, NoSpaceError, SdcoremlError
from tests.handles import nothing_left_open

MARK = "model_index.json"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with file_aside(target) as handle:
        os.write(handle, b"data")
        assert not target.exists()
    assert target.read_bytes() == b"data"
    assert names(target.parent) == ["file"]


def test_a_file_gets_the_mode_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with file_aside(tmp_path / "file"):
        pass
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "other").stat().st_mode
    )


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_older_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"older")
    with pytest.raises(error), file_aside(target) as handle:
        os.write(handle, b"half")
        raise error
    assert (names(tmp_path), target.read_bytes()) == (["file"], b"older")


def test_a_full_disk_and_a_forbidden_place_are_told(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with pytest.raises(NoSpaceError, match="filled up"), file_aside(target):
        raise OSError(28, "No space left on device")
    with pytest.raises(SdcoremlError, match="cannot write here"), file_aside(target):
        raise OSError(30, "Read-only file system")
    with pytest.raises(OSError, match="Input/output"), file_aside(target):
        raise OSError(5, "Input/output error")


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with folder_aside(target, MARK) as aside:
        (aside / "unet").mkdir()
        (aside / "unet" / MARK).write_text("new")
        assert not target.exists()
    assert (target / "unet" / MARK).read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_an_older_output_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / MARK).touch()
    with folder_aside(target, MARK) as aside:
        (aside / MARK).write_text("new")
    assert (names(target), names(tmp_path)) == ([MARK], ["out"])


def test_a_failure_leaves_the_older_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / MARK).write_text("older")
    with pytest.raises(ValueError, match="x"), folder_aside(target, MARK) as aside:
        (aside / MARK).write_text("half")
        raise ValueError("x")
    assert (names(tmp_path), (target / MARK).read_text()) == (["out"], "older")


def test_a_folder_that_is_not_ours_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "documents"
    target.mkdir()
    (target / "thesis").touch()
    with (
        pytest.raises(BadInputError, match=r"no model_index\.json in it"),
        folder_aside(target, MARK),
    ):
        pass
    assert names(target) == ["thesis"]


def test_a_run_killed_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    old = tmp_path / ".out.sdcoreml-old"
    old.mkdir()
    (old / MARK).write_text("older")
    with pytest.raises(ValueError, match="x"), folder_aside(tmp_path / "out", MARK):
        raise ValueError("x")
    assert (names(tmp_path), (tmp_path / "out" / MARK).read_text()) == (["out"], "older")


def test_a_run_killed_after_the_two_renames_leaves_no_old_folder(tmp_path: Path) -> None:
    for name in (".out.sdcoreml-old", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MARK).write_text(name)
    with folder_aside(tmp_path / "out", MARK) as aside:
        (aside / MARK).write_text("new")
    assert (names(tmp_path), (tmp_path / "out" / MARK).read_text()) == (["out"], "new")


SLEEPER = """
import sys, time
from pathlib import Path
from typing import Any
from sdcoreml.ground.aside import {maker}
with {maker}(Path(sys.argv[1]){mark}):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("maker", "mark"), [("file_aside", ""), ("folder_aside", ", 'mark'")])
def test_the_leftover_of_a_killed_run_goes_and_a_neighbour_stays(
    tmp_path: Path, maker: str, mark: str
) -> None:
    target = tmp_path / "out[1]"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SLEEPER.format(maker=maker, mark=mark), str(target)],
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for run in runs:
        assert run.stdout
        run.stdout.readline()
    assert len(names(tmp_path)) == 2
    runs[0].send_signal(signal.SIGKILL)
    runs[0].wait()
    with file_aside(target) if maker == "file_aside" else folder_aside(target, "mark"):
        assert len(names(tmp_path)) == 2
    assert "out[1]" in names(tmp_path)
    runs[1].send_signal(signal.SIGKILL)
    for run in runs:
        run.communicate()


def test_space_is_asked_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    require_space(tmp_path / "a" / "b" / "c", 1)
    with pytest.raises(NoSpaceError, match=f"{tmp_path} has"):
        require_space(tmp_path / "a" / "b", 1 << 62)


def test_what_a_neighbour_took_for_a_leftover_is_made_again(tmp_path: Path) -> None:
    made: list[str] = []

    def make(**where: Any) -> tuple[int, str]:
        handle, name = tempfile.mkstemp(**where)
        if not made:
            Path(name).unlink()
        made.append(name)
        return handle, name

    part, handle = _claim(tmp_path / "file", make)
    os.close(handle)
    assert (str(part), len(made)) == (made[1], 2)
    assert part.exists()


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("folder", "is a folder; name a file, in this folder or elsewhere"),
        ("file/inside", ".*file is no folder; choose another place"),
        ("file/deep/inside", ".*file is no folder; choose another place"),
        (
            f"{'z' * 300}/inside",
            r"no file can have this name \(File name too long\); choose another",
        ),
        ("y" * 300, r"no file can have this name \(File name too long\); choose another"),
        ("loop/inside", ".*loop is no folder; choose another place"),
    ],
)
def test_a_name_that_no_file_can_have_is_told_before_anything_is_written(
    tmp_path: Path, place: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BadInputError, match=f"{place}: {why}"), file_aside(tmp_path / place):
        pytest.fail("nothing may be written")
    assert names(tmp_path) == ["file", "folder", "loop"]


def test_a_file_in_the_place_of_a_folder_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("a thesis")
    with pytest.raises(BadInputError, match="is not the output of an earlier run"):
        folder_aside(target, MARK).__enter__()
    assert target.read_text() == "a thesis"


def test_an_empty_folder_is_anybodys(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with folder_aside(target, MARK) as aside:
        (aside / MARK).touch()
    assert (names(target), names(tmp_path)) == ([MARK], ["out"])


def test_a_folder_gets_the_mode_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with folder_aside(tmp_path / "out", MARK):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "other").stat().st_mode


def open_handles() -> set[int]:
    """Return the open file descriptors; what other tests' threads close meanwhile may go."""
    found = set()
    for number in map(int, os.listdir("/dev/fd")):  # noqa: PTH208  numbers, no paths
        with suppress(OSError):
            os.fstat(number)  # the listing's own is closed by now
            found.add(number)
    return found


def test_making_a_file_leaves_the_mask_and_the_handles_as_they_were(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        before = open_handles()
        with file_aside(tmp_path / "file"):
            pass
        with folder_aside(tmp_path / "out", MARK):
            pass
        with pytest.raises(ValueError, match="x"), file_aside(tmp_path / "file"):
            raise ValueError("x")
        assert open_handles() <= before
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


class Disk:
    """A recorder of the order of renames and flushes to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        fsync, replace = os.fsync, Path.replace

        def flushing(handle: int) -> None:
            self.told.append(f"flush {Path(f'/proc/self/fd/{handle}').readlink().name}")
            fsync(handle)

        def naming(old: Path, new: Path) -> Path:
            self.told.append(f"name {new.name}")
            return replace(old, new)

        monkeypatch.setattr(os, "fsync", flushing)
        monkeypatch.setattr(Path, "replace", naming)


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def fill_aside(path: Path) -> None:
    with file_aside(path) as handle:
        os.write(handle, b"data")


@on_linux
@pytest.mark.parametrize("write", [fill_aside, lambda path: write_text(path, "data")])
def test_bytes_are_on_the_disk_before_they_have_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    disk = Disk(monkeypatch)
    write(tmp_path / "file")
    first, *rest = disk.told
    assert first.startswith("flush .file.")
    assert rest == ["name file", f"flush {tmp_path.name}"]


@on_linux
def test_a_folder_is_on_the_disk_with_all_it_holds_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    with folder_aside(tmp_path / "out", MARK) as aside:
        (aside / "unet").mkdir()
        (aside / "unet" / "weights").touch()
        (aside / MARK).touch()
    at = disk.told.index("name out")
    assert {"flush weights", "flush unet", f"flush {MARK}"} < set(disk.told[:at])
    assert disk.told[at + 1 :] == [f"flush {tmp_path.name}"]


def test_a_swap_that_fails_half_way_puts_the_older_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / MARK).write_text("older")
    replace = Path.replace

    def failing(old: Path, new: Path) -> Path:
        if new == target and old.name.endswith(".part"):
            raise OSError(5, "Input/output error")
        return replace(old, new)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="Input/output"), folder_aside(target, MARK) as aside:
        (aside / MARK).write_text("new")
    assert (names(tmp_path), (target / MARK).read_text()) == (["out"], "older")


def test_scratch_of_a_read_only_folder_is_in_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with scratch_near(tmp_path / "out") as scratch:
        assert scratch.parent == tmp_path
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with scratch_near(tmp_path / "out") as scratch:
        assert scratch.parent == tmp_path / "tmp"


def test_scratch_goes_with_all_it_holds(tmp_path: Path) -> None:
    with scratch_beside(tmp_path / "a" / "out") as scratch:
        (scratch / "deep").mkdir()
        (scratch / "deep" / "file").touch()
        assert scratch.parent == tmp_path / "a"
    assert names(tmp_path / "a") == []


@pytest.mark.parametrize("make", [file_aside, lambda target: folder_aside(target, MARK)])
def test_a_link_that_looks_like_a_leftover_is_not_followed(tmp_path: Path, make: Any) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").touch()
    (tmp_path / ".out.sdcoreml-abcdefgh.part").symlink_to(precious)
    with make(tmp_path / "out"):
        pass
    assert names(precious) == ["thesis"]


def test_space_for_a_name_that_nothing_can_have_is_not_looked_for(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no file can have this name"):
        require_space(tmp_path / ("x" * 300) / "file", 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has fallocate")
def test_blocks_are_there_before_the_bytes(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as stream:
        reserve(stream.fileno(), 0)
        assert os.fstat(stream.fileno()).st_blocks == 0
        reserve(stream.fileno(), 1 << 20)
        assert os.fstat(stream.fileno()).st_blocks >= (1 << 20) // 512


def test_exactly_enough_space_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    require_space(tmp_path / "file", 1000)
    with pytest.raises(NoSpaceError, match=r"free .* bytes or choose another disk"):
        require_space(tmp_path / "file", 1001)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
@pytest.mark.parametrize("aside", [file_aside, scratch_beside])
def test_where_no_folder_can_be_made_one_line_says_so(aside: Any) -> None:
    with (
        pytest.raises(BadInputError, match="/proc/x/y: no folder can be made there"),
        aside(Path("/proc/x/y")),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_folder_that_takes_no_lock_is_told_as_one() -> None:
    with (
        pytest.raises(BadInputError, match="no folder can be made there"),
        sole_maker(Path("/proc/x")),
    ):
        pytest.fail("nothing can be made there")


def test_a_text_is_replaced_whole_and_surrogates_stay_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old and longer\n")
    write_text(path, "\u00e9\udcff\n")
    assert path.read_bytes() == b"\xc3\xa9\xff\n"
    assert names(tmp_path) == ["file"]


def test_a_text_that_is_there_already_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert update_text(path, "a\n")
    before = path.stat().st_ino
    assert not update_text(path, "a\n")
    assert path.stat().st_ino == before
    assert update_text(path, "b\n")
    assert path.read_text() == "b\n"


def test_a_text_for_a_place_that_is_not_there_fails_as_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "no" / "file", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "folder", "x")
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_between_the_two_renames_leaves_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / MARK).write_text("older")
    replace = Path.replace

    def interrupted(old: Path, new: Path) -> Path:
        moved = replace(old, new)
        if new == target:
            os.kill(os.getpid(), number)
        return moved

    def end(*_: object) -> None:
        raise SystemExit

    before = signal.signal(number, end)
    monkeypatch.setattr(Path, "replace", interrupted)
    try:
        with pytest.raises(SystemExit), folder_aside(target, MARK) as aside:
            (aside / MARK).write_text("new")
    finally:
        signal.signal(number, before)
    assert (names(tmp_path), (target / MARK).read_text()) == (["out"], "new")


@pytest.mark.parametrize(
    "make", [file_aside, scratch_beside, lambda path: folder_aside(path, MARK)]
)
def test_a_failure_takes_along_the_folders_that_were_made_for_it(tmp_path: Path, make: Any) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="x"), make(tmp_path / "mine" / "a" / "b" / "out"):
        raise ValueError("x")
    assert names(tmp_path) == ["mine"]
    assert names(tmp_path / "mine") == []


def test_two_makers_of_one_folder_are_one_too_many(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with (
        sole_maker(target),
        pytest.raises(SdcoremlError, match=r"\banother conversion is writing this folder"),
        sole_maker(target),
    ):
        pass
    assert names(tmp_path) == []


def test_a_name_as_long_as_names_can_be_has_room_for_the_token(tmp_path: Path) -> None:
    with file_aside(tmp_path / ("ü" * 127)):
        pass
    assert len(names(tmp_path)) == 1


def test_the_lock_of_a_killed_maker_is_dropped_and_one_that_is_held_stays(tmp_path: Path) -> None:
    lock = tmp_path / ".folder.sdcoreml-lock"
    drop_lock(tmp_path / "folder")
    lock.touch()
    drop_lock(tmp_path / "folder")
    assert not lock.exists()
    with sole_maker(tmp_path / "folder"):
        drop_lock(tmp_path / "folder")
        assert lock.exists()


def test_nothing_is_left_open(tmp_path: Path) -> None:
    with nothing_left_open():
        aside.write_text(tmp_path / "a", "text")
        with aside.scratch_folder(tmp_path / "b") as part:
            (part / "file").touch()
            aside.flush_tree(part)
        aside.flush_folder(tmp_path)
        with pytest.raises(ZeroDivisionError), aside.open_aside(tmp_path / "a"):
            raise ZeroDivisionError

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from convert.errors import BadInputError, ConvertError, NoSpaceError
from convert.weights.aside import _claim, file_aside, folder_aside, require_space

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
    with pytest.raises(ConvertError, match="cannot write here"), file_aside(target):
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
    (target / "stale").touch()
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
    old = tmp_path / ".out.old"
    old.mkdir()
    (old / MARK).write_text("older")
    with pytest.raises(ValueError, match="x"), folder_aside(tmp_path / "out", MARK):
        raise ValueError("x")
    assert (names(tmp_path), (tmp_path / "out" / MARK).read_text()) == (["out"], "older")


def test_a_run_killed_after_the_two_renames_leaves_no_old_folder(tmp_path: Path) -> None:
    for name in (".out.old", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MARK).write_text(name)
    with folder_aside(tmp_path / "out", MARK) as aside:
        (aside / MARK).write_text("new")
    assert (names(tmp_path), (tmp_path / "out" / MARK).read_text()) == (["out"], "new")


SLEEPER = """
import sys, time
from pathlib import Path
from typing import Any
from convert.weights.aside import {maker}
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

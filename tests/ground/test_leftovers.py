from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from sdcoreml.ground import locks
from sdcoreml.ground.leftovers import find_leftovers, hidden_path, prefix, sweep
from tests.handles import nothing_left_open

OURS = ".out.sdcoreml-abcdefg1.part"
THEIRS = (
    *(".other.1.part", ".out.old", ".out.sdcoreml-old", ".x.tmpabcd.part", "out.sdcoreml-abcdefgh"),
    *(".out.sdcoreml-abc.part", "out.sdcoreml-abcdefgh.part", ".out.sdcoreml-ABCDEFGH.part"),
    ".out.sdcoreml-abcdefgh.part~",
)


def test_what_bears_no_token_of_ours_is_never_touched(tmp_path: Path) -> None:
    for name in (OURS, *THEIRS):
        (tmp_path / name).touch()
    assert find_leftovers(tmp_path) == (tmp_path / OURS,)
    assert sweep(tmp_path) == (tmp_path / OURS,)
    assert {path.name for path in tmp_path.iterdir()} == {*THEIRS}


def test_a_folder_goes_with_all_it_holds_and_a_pipe_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / OURS / "deep").mkdir(parents=True)
    (tmp_path / OURS / "deep" / "file").touch()
    os.mkfifo(tmp_path / ".p.sdcoreml-abcdefg2.part")
    assert len(sweep(tmp_path)) == 2
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_holds_stays(tmp_path: Path) -> None:
    (tmp_path / OURS).mkdir()
    handle = os.open(tmp_path / OURS, os.O_RDONLY)
    locks.lock(handle)
    assert (find_leftovers(tmp_path), sweep(tmp_path)) == ((), ())
    os.close(handle)
    assert sweep(tmp_path) == (tmp_path / OURS,)


def test_a_folder_that_cannot_be_read_holds_nothing_of_ours(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none") == ()


def test_a_killed_runs_lock_goes_once_it_is_old(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".old.sdcoreml-lock", tmp_path / ".new.sdcoreml-lock"
    for path in (old, fresh):
        path.touch()
    os.utime(old, (0, 0))
    assert sweep(tmp_path) == (old,)
    assert fresh.exists()


def test_what_cannot_be_removed_stays_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / OURS).touch()
    (tmp_path / OURS.replace("1", "2")).mkdir()

    def refuse(path: object, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with monkeypatch.context() as patched:
        for name in ("unlink", "rmdir"):
            patched.setattr(os, name, refuse)
        assert sweep(tmp_path) == ()
    assert len(sweep(tmp_path)) == 2


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / OURS).symlink_to(tmp_path / "target")
    assert (find_leftovers(tmp_path), sweep(tmp_path)) == ((), ())
    assert (tmp_path / OURS).is_symlink()


def test_names_of_what_is_unfinished() -> None:
    assert hidden_path(Path("/a/out"), "lock") == Path("/a/.out.sdcoreml-lock")
    assert prefix(Path("/a/out")) == ".out.sdcoreml-"
    long = Path("/a") / ("x" * 300)
    assert prefix(long) == f".{'x' * 200}.sdcoreml-"
    assert prefix(Path("/a/\udcff")) == ".\udcff.sdcoreml-"


def test_a_lock_is_old_after_a_minute(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("old", 70), ("new", 50)):
        path = tmp_path / f".{name}.sdcoreml-lock"
        path.touch()
        os.utime(path, (now - age, now - age))
    assert sweep(tmp_path) == (tmp_path / ".old.sdcoreml-lock",)


def test_nothing_is_left_open(tmp_path: Path) -> None:
    (tmp_path / OURS).mkdir()
    with nothing_left_open():
        find_leftovers(tmp_path)
        sweep(tmp_path)

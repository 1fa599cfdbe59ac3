from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdcoreml.envs.care.garbage import collect, find_garbage
from sdcoreml.envs.kept.users import is_used, use
from sdcoreml.ground import locks
from tests.envs.kept.test_store import finished
from tests.handles import nothing_left_open


def test_who_uses_an_environment_keeps_it(tmp_path: Path) -> None:
    made = finished(tmp_path / "one")
    with use(made.path):
        found = find_garbage(tmp_path)
        assert [one.path for one in found.used] == [made.path]
        assert (found.environments, found.summary()) == ((), "")
        collect(tmp_path)
        assert made.python.exists()
    assert find_garbage(tmp_path).folders == (made.path,)
    collect(tmp_path)
    assert not made.path.exists()


def test_there_may_be_many_and_the_last_one_counts(tmp_path: Path) -> None:
    assert not is_used(tmp_path)
    with use(tmp_path):
        with use(tmp_path):
            assert is_used(tmp_path)
        assert is_used(tmp_path)
    assert not is_used(tmp_path)


def test_a_child_goes_on_being_a_user_when_its_parent_is_gone(tmp_path: Path) -> None:
    with use(tmp_path) as held:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, pass_fds=held)
    assert is_used(tmp_path)
    child.communicate(b"\n")
    assert not is_used(tmp_path)


def test_one_that_is_gone_has_no_users(tmp_path: Path) -> None:
    with use(tmp_path / "gone") as held:
        assert held == ()
    assert not is_used(tmp_path / "gone")


def test_who_may_only_read_it_can_use_it(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o555)
    with use(tmp_path / "theirs") as held:
        assert len(held) == 1
        assert not os.get_inheritable(held[0])


def test_nothing_is_left_open(tmp_path: Path) -> None:
    with nothing_left_open():
        with use(tmp_path):
            assert is_used(tmp_path)
        assert not is_used(tmp_path)


def test_a_disk_without_locks_has_no_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> bool:
        raise OSError(handle, "Function not implemented")

    monkeypatch.setattr(locks, "share", refuse)
    monkeypatch.setattr(locks, "try_lock", refuse)
    with nothing_left_open(), use(tmp_path) as held:
        assert len(held) == 1
        assert not is_used(tmp_path)


def test_a_file_is_no_environment(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with use(tmp_path / "file") as held:
        assert held == ()
    assert not is_used(tmp_path / "file")

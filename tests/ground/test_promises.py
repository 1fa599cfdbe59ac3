from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.ground import locks
from sdcoreml.ground.promises import (
    memory_of_tree,
    promise,
    promised_to_others,
    sole_promiser,
    usual_place,
)
from tests.handles import nothing_left_open

HOLD = """
import sys
from pathlib import Path
from sdcoreml.ground.promises import promise
with promise(1000, Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that promises itself 1000 bytes."""
    command = [sys.executable, "-c", HOLD, os.fspath(place)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"held\n"
        yield process
        process.stdin.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "promises"


def test_what_another_process_will_still_take_is_known_until_it_ends(place: Path) -> None:
    asked = []

    def used(pid: int) -> int:
        asked.append(pid)
        return 300

    with other(place) as process:
        assert promised_to_others(place, used) == 700
        assert promised_to_others(place, lambda _: 5000) == 0
        assert asked == [process.pid]
    assert promised_to_others(place, used) == 0
    assert list(place.iterdir()) == []


def test_a_killed_process_keeps_no_promise(place: Path) -> None:
    with other(place) as process:
        process.kill()
        process.wait()
        assert len(list(place.iterdir())) == 1
        assert promised_to_others(place, lambda _: 0) == 0
        assert list(place.iterdir()) == []


def test_our_own_promise_is_not_held_against_us(place: Path) -> None:
    with promise(1000, place):
        (path,) = place.iterdir()
        assert path.read_text() == f"{os.getpid()} 1000"
        assert promised_to_others(place, lambda _: 0) == 0
    assert list(place.iterdir()) == []


def test_without_a_place_there_are_no_promises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with promise(1000, tmp_path / "file"):
        assert promised_to_others(tmp_path / "file", lambda _: 0) == 0
    assert promised_to_others(tmp_path / "nowhere", lambda _: 0) == 0
    (tmp_path / "link").symlink_to(tmp_path)
    with promise(1000, tmp_path / "link"):
        assert not list(tmp_path.glob("*.promise"))


def test_processes_of_two_containers_may_have_the_same_number(place: Path) -> None:
    with other(place):
        (path,) = place.iterdir()
        path.write_text(f"{os.getpid()} 1000")
        with promise(500, place):  # it waits for nobody
            assert promised_to_others(place, lambda _: 0) == 1000


def test_a_promise_that_is_taken_for_a_killed_process_s_is_made_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = tempfile.mkstemp, list[str]()

    def make(**more: Any) -> tuple[int, str]:
        handle, path = real(**more)
        made.append(path)
        if len(made) == 1:
            assert promised_to_others(place, lambda _: 0) == 0  # another process looks just now
            assert not Path(path).exists()
        return handle, path

    monkeypatch.setattr(tempfile, "mkstemp", make)
    with promise(1000, place):
        assert [os.fspath(path) for path in place.iterdir()] == made[1:]


def test_one_process_looks_and_promises_at_a_time(place: Path) -> None:
    with sole_promiser(place), promise(1000, place):
        handle = os.open(place, os.O_RDONLY)
        assert not locks.try_lock(handle)
    assert locks.try_lock(handle)
    os.close(handle)
    with sole_promiser(place / "no" / "place"):
        pass


def test_the_memory_of_children_counts(place: Path) -> None:
    alone = memory_of_tree(os.getpid())
    with other(place) as process:
        child = memory_of_tree(process.pid)
        assert child > 1_000_000
        assert memory_of_tree(os.getpid()) > alone + child // 2
    assert memory_of_tree(process.pid) == 0


def test_what_cannot_be_opened_or_understood_is_no_promise(place: Path) -> None:
    with other(place):
        (path,) = place.iterdir()
        (place / "a.promise").symlink_to("/gone")
        (place / "b.promise").mkdir()
        assert promised_to_others(place, lambda _: 0) == 1000
        for text in ("", "1", "1 2 3", "one 2", "-1 2"):
            path.write_text(text)
            assert promised_to_others(place, lambda _: 0) == 0
        path.write_text("1 2")
        (place / "c.other").write_text("1 1000")
        assert promised_to_others(place, lambda _: 0) == 2
        assert (place / "c.other").exists()


def test_a_promise_that_somebody_removed_is_forgotten(place: Path) -> None:
    with promise(1000, place):
        (path,) = place.iterdir()
        path.unlink()
    assert list(place.iterdir()) == []


def test_the_place_is_this_user_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert usual_place() == tmp_path / f"sdcoreml-promises-{os.getuid()}"
    with promise(1, usual_place()):
        assert usual_place().stat().st_mode & 0o777 == 0o700
    somebody_else = tmp_path.stat().st_uid + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody_else)
    with promise(1, tmp_path):
        assert list(tmp_path.glob("*.promise")) == []


def test_nothing_is_left_open(place: Path) -> None:
    with other(place), nothing_left_open():
        with sole_promiser(place), promise(1, place):
            pass
        promised_to_others(place, lambda _: 0)
        (place / "a.promise").touch()  # a killed process's
        promised_to_others(place, lambda _: 0)
        assert not (place / "a.promise").exists()

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdcoreml.ground.promises import memory_of_tree, promise, promised_to_others

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
        assert [path.name for path in place.iterdir()] == [str(process.pid)]
        assert promised_to_others(place, lambda _: 0) == 0
        assert list(place.iterdir()) == []


def test_our_own_promise_is_not_held_against_us(place: Path) -> None:
    with promise(1000, place):
        assert (place / str(os.getpid())).read_text() == "1000"
        assert promised_to_others(place, lambda _: 0) == 0
    assert list(place.iterdir()) == []


def test_without_a_place_there_are_no_promises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with promise(1000, tmp_path / "file"):
        assert promised_to_others(tmp_path / "file", lambda _: 0) == 0
    assert promised_to_others(tmp_path / "nowhere", lambda _: 0) == 0
    (tmp_path / "link").symlink_to(tmp_path)
    with promise(1000, tmp_path / "link"):
        assert not (tmp_path / str(os.getpid())).exists()


def test_the_memory_of_children_counts(place: Path) -> None:
    alone = memory_of_tree(os.getpid())
    with other(place) as process:
        child = memory_of_tree(process.pid)
        assert child > 1_000_000
        assert memory_of_tree(os.getpid()) > alone + child // 2
    assert memory_of_tree(process.pid) == 0

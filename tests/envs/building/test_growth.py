from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from sdcoreml.envs.building.growth import (
    Ground,
    ground,
    grown,
    watched,
)
from sdcoreml.ground.events import Event, silent


def put(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_all_of_an_empty_ground_counts(tmp_path: Path) -> None:
    put(tmp_path / "lib/python3.10/site-packages/one.py", 5)
    put(tmp_path / "bin/one", 2)
    (tmp_path / "bin/link").symlink_to("one")
    linked = (tmp_path / "bin/link").lstat().st_size
    assert grown(Ground(folder=tmp_path)) == 7 + linked


def test_only_what_is_new_in_a_cache_counts(tmp_path: Path) -> None:
    put(tmp_path / "archive/old/deep/file", 100)
    put(tmp_path / "top", 100)
    before = ground(tmp_path)
    put(tmp_path / "archive/new/deep/file", 3)
    put(tmp_path / ".tmp1/file", 4)
    assert grown(before) == 7


def test_what_was_there_before_is_not_looked_into(tmp_path: Path) -> None:
    put(tmp_path / "archive/old/deep/file", 100)
    before = ground(tmp_path)
    put(tmp_path / "archive/old/deep/file", 900)
    put(tmp_path / "archive/old/deep/more", 900)
    assert grown(before) == 0


def test_a_folder_that_is_not_there_has_not_grown(tmp_path: Path) -> None:
    assert grown(ground(tmp_path / "nowhere")) == 0


def test_growth_is_told_and_never_goes_back(tmp_path: Path) -> None:
    events: list[Event] = []
    with watched((Ground(folder=tmp_path),), 1000, events.append):
        for size in (100, 900, 50, 5000):
            put(tmp_path / "file", size)
            seen = len(events)
            deadline = time.monotonic() + 10
            while len(events) < seen + 2 and time.monotonic() < deadline:
                time.sleep(0.01)
    assert {(event.kind, event.total, event.unit) for event in events} == {("progress", 1000, "B")}
    done = [event.done for event in events]
    assert done == sorted(done)
    assert {100, 900, 1000} <= set(done)
    assert max(done) == 1000


def test_nobody_looks_when_nobody_is_told(tmp_path: Path) -> None:
    events: list[Event] = []

    def watchers() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "growth"]

    with watched((Ground(folder=tmp_path),), 1000, silent):
        assert watchers() == []
    with watched((Ground(folder=tmp_path),), 1000, events.append):
        assert watchers() == ["growth"]
    assert watchers() == []


def test_the_watcher_ends_with_a_block_that_fails(tmp_path: Path) -> None:
    events: list[Event] = []
    with pytest.raises(RuntimeError), watched((Ground(folder=tmp_path),), 10, events.append):
        raise RuntimeError
    count = len(events)
    time.sleep(0.4)
    assert len(events) == count

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sdcoreml.convert.cache.digests import Digests
from sdcoreml.ground.digest import FileRecord, sha256

OLD = 1_700_000_000_123_456_789


def write(path: Path, text: str = "content") -> Path:
    """Write a file whose times are those of a file that nobody touched for long."""
    path.write_text(text)
    os.utime(path, ns=(OLD, OLD))
    return path


def record(path: Path) -> FileRecord:
    return FileRecord(size=path.stat().st_size, sha256=sha256(path))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as settled at once: their ctime is always now."""
    monkeypatch.setattr("sdcoreml.convert.cache.digests._SETTLED", -(10**10))


@pytest.mark.usefixtures("settled")
def test_a_digest_is_remembered_by_another_process(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    Digests(tmp_path / "memory").remember({path: record(path)}, time.time_ns())
    assert Digests(tmp_path / "memory").recall(path) == record(path)
    assert Digests(tmp_path / "other").recall(path) is None
    assert Digests(tmp_path / "memory").recall(tmp_path / "absent") is None


@pytest.mark.usefixtures("settled")
def test_what_another_process_remembers_meanwhile_is_known(tmp_path: Path) -> None:
    one, other, third = (write(tmp_path / name) for name in "abc")
    ours, theirs = Digests(tmp_path / "memory"), Digests(tmp_path / "memory")
    assert ours.recall(one) is None
    theirs.remember({one: record(one)}, time.time_ns())
    assert ours.recall(one) == record(one)
    theirs.remember({other: record(other)}, time.time_ns())
    ours.remember({third: record(third)}, time.time_ns())
    assert ours.recall(other) == record(other)
    assert theirs.recall(third) == record(third)


@pytest.mark.usefixtures("settled")
def test_a_memory_that_is_only_ours_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = write(tmp_path / "a"), write(tmp_path / "b")
    memory = Digests(tmp_path / "memory")
    memory.remember({one: record(one)}, time.time_ns())
    monkeypatch.setattr("sdcoreml.convert.cache.digests.read_text", None)
    assert memory.recall(other) is None


@pytest.mark.usefixtures("settled")
def test_a_changed_file_is_hashed_again_even_with_its_old_times(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    memory = Digests(tmp_path / "memory")
    memory.remember({path: record(path)}, time.time_ns())
    write(path, "CONTENT")  # as long as before, and its mtime is set back
    assert memory.recall(path) is None
    memory.remember({path: record(path)}, time.time_ns())
    assert memory.recall(path) == record(path)


@pytest.mark.usefixtures("settled")
def test_all_files_are_known_or_none(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a"), write(tmp_path / "b")
    memory = Digests(tmp_path / "memory")
    memory.remember({one: record(one)}, time.time_ns())
    assert memory.recall_all({"a": one, "b": other}) is None
    assert memory.recall_all({"a": one}) == {"a": record(one)}


def test_a_file_that_changed_while_it_was_hashed_is_not_remembered(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    memory = Digests(tmp_path / "memory")
    early = path.stat().st_ctime_ns - 1
    memory.remember({path: record(path)}, early)
    assert memory.recall(path) is None
    memory.remember({path: record(path)}, early + 10**10)
    assert memory.recall(path) == record(path)


def test_a_file_that_may_still_change_unseen_is_not_remembered(tmp_path: Path) -> None:
    path = write(tmp_path / "a")  # its ctime is now
    memory = Digests(tmp_path / "memory")
    memory.remember({path: record(path)}, time.time_ns())
    assert memory.recall(path) is None
    assert not (tmp_path / "memory").exists()


@pytest.mark.usefixtures("settled")
def test_a_record_of_another_size_is_not_the_file_s(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    memory = Digests(tmp_path / "memory")
    memory.remember({path: FileRecord(size=1, sha256="0" * 64)}, time.time_ns())
    assert memory.recall(path) is None


@pytest.mark.usefixtures("settled")
def test_half_a_line_of_a_killed_writer_harms_no_other(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a"), write(tmp_path / "b")
    Digests(tmp_path / "memory").remember({one: record(one)}, time.time_ns())
    whole = (tmp_path / "memory").read_bytes()
    for cut in range(len(whole)):
        (tmp_path / "memory").write_bytes(whole[:cut])
        Digests(tmp_path / "memory").remember({other: record(other)}, time.time_ns())
        again = Digests(tmp_path / "memory")
        assert again.recall(other) == record(other)
        assert again.recall(one) in (None, record(one))


@pytest.mark.usefixtures("settled")
def test_a_long_memory_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcoreml.convert.cache.digests._MOST", 3)
    monkeypatch.setattr("sdcoreml.convert.cache.digests._ROOM", 5)
    files = [write(tmp_path / f"f{number}", f"{number}") for number in range(9)]
    memory = Digests(tmp_path / "memory")
    for path in files:
        memory.remember({path: record(path)}, time.time_ns())
    assert len((tmp_path / "memory").read_text().split()) <= 6 * 6
    again = Digests(tmp_path / "memory")
    assert again.recall(files[0]) is None
    assert again.recall(files[-1]) == record(files[-1])

"""The files of a queue's entries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.queue.entries import CANCELLED, Entries, mark
from sdcoreml.doctor.queue.entry import Entry, Kind, State
from sdcoreml.ground.errors import NoSpaceError

NEW = Entry(id="1", kind=Kind.FIX, title="mend")


@pytest.fixture
def entries(tmp_path: Path) -> Entries:
    return Entries(folder=tmp_path)


def read(entries: Entries, number: str) -> Entry | None:
    return entries.read(number, entries.find()[number])


def test_entries_are_files_with_numbers_for_names(entries: Entries) -> None:
    for name in ("1", "12", "999999999"):
        entries.path(name, "json").touch()
    for name in ("0.json", "01.json", "1000000000.json", "1.json.new", "a1.json", "2.toml", "3"):
        (entries.folder / name).touch()
    told = (entries.folder / "12.json").stat()
    found = entries.find()
    assert sorted(found) == ["1", "12", "999999999"]
    assert found["12"] == (told.st_ino, told.st_mtime_ns)


def test_a_link_to_nowhere_is_an_entry_that_is_damaged(entries: Entries) -> None:
    entries.path("1", "json").symlink_to("absent")
    found = read(entries, "1")
    assert found is not None
    assert found.is_damaged


@pytest.mark.parametrize("name", ["absent", "file"])
def test_where_no_folder_is_nothing_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert Entries(folder=tmp_path / name).find() == {}


def test_a_file_is_read_again_once_it_was_changed(entries: Entries) -> None:
    entries.write(NEW)
    assert read(entries, "1") == NEW
    first = entries.find()["1"]
    entries.write(replace(NEW, title="other"))
    assert entries.read("1", first) == NEW  # who saw no change reads nothing
    later = read(entries, "1")
    assert later is not None
    assert later.title == "other"


def test_one_that_has_gone_meanwhile_is_none(entries: Entries) -> None:
    assert entries.read("1", (0, 0)) is None
    assert entries.read("1", (0, 0)) is None


def test_a_mark_cancels_what_is_not_over(entries: Entries) -> None:
    for number, state in (("1", State.RUNNING), ("2", State.DONE)):
        entries.write(replace(NEW, id=number, state=state))
        entries.path(number, CANCELLED).touch()
    assert read(entries, "1") == replace(NEW, state=State.CANCELLED)
    assert read(entries, "2") == replace(NEW, id="2", state=State.DONE)
    entries.path("1", CANCELLED).unlink()
    assert read(entries, "1") == replace(NEW, state=State.RUNNING)


def test_what_is_written_no_longer_needs_its_mark(entries: Entries) -> None:
    entries.path("1", CANCELLED).touch()
    entries.write(NEW)
    assert [path.name for path in entries.folder.iterdir()] == ["1.json"]


def full(path: Path, text: str) -> None:
    del text
    raise NoSpaceError("the disk is full", where=path)


def test_on_a_full_disk_the_cancellation_is_marked(
    entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries.write(NEW)
    monkeypatch.setattr("sdcoreml.doctor.queue.entries.write_text", full)
    entries.write_cancelled(replace(NEW, state=State.CANCELLED))
    assert read(entries, "1") == replace(NEW, state=State.CANCELLED)


def test_a_cancellation_that_cannot_be_marked_either_is_refused(
    entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries.write(NEW)
    monkeypatch.setattr("sdcoreml.doctor.queue.entries.write_text", full)
    monkeypatch.setattr("sdcoreml.doctor.queue.entries.mark", lambda *_: False)
    with pytest.raises(NoSpaceError, match="the disk is full"):
        entries.write_cancelled(replace(NEW, state=State.CANCELLED))


def test_removed_ones_leave_nothing_and_the_others_stay(entries: Entries) -> None:
    for number in ("1", "2", "3"):
        entries.write(replace(NEW, id=number))
        for ending in ("toml", "events", "log"):
            entries.path(number, ending).touch()
    entries.path("2", CANCELLED).touch()
    entries.path("9", "log").touch()  # a killed remover has left it
    for name in ("order.json", "9.txt"):
        (entries.folder / name).touch()
    entries.remove("1", "2", "8")
    kept = [f"3.{ending}" for ending in ("events", "json", "log", "toml")]
    assert sorted(path.name for path in entries.folder.iterdir()) == [*kept, "9.txt", "order.json"]


def test_a_file_that_says_nothing_stands_for_a_damaged_entry(entries: Entries) -> None:
    entries.path("1", "json").write_text('{"schema": 1}')
    entries.path("2", "json").write_text("{")
    for number, what in (("1", "kind"), ("2", "JSON")):
        found = read(entries, number)
        assert found is not None
        assert (found.id, found.is_damaged) == (number, True)
        assert found.because.startswith("its file cannot be read: ")
        assert what in found.because
        assert str(entries.folder) not in found.because


def test_a_mark_is_another_name_of_the_first_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("b")
    assert mark(tmp_path / "mark", tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "mark").samefile(tmp_path / "b")


def test_without_a_file_to_name_it_is_an_empty_one_for_nobody_else(tmp_path: Path) -> None:
    assert mark(tmp_path / "mark", tmp_path / "a")
    status = (tmp_path / "mark").stat()
    assert (status.st_size, status.st_mode & 0o777) == (0, 0o600)
    assert mark(tmp_path / "mark")
    assert not mark(tmp_path / "none" / "mark")

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.drop import DAY, HOUR, Drops
from sdcoreml.doctor.studio.dropped import Drop, File
from sdcoreml.doctor.studio.refusals import AbsentError, ConflictError, RequestError
from sdcoreml.ground.errors import NoSpaceError

WHOLE = bytes(range(256)) * 64


def ends(head: bytes, tail: bytes) -> bytes:
    return len(head).to_bytes(4, "little") + head + tail


def nobody(_number: str) -> bool:
    return False


@pytest.fixture
def drops(tmp_path: Path) -> Drops:
    return Drops(folder=tmp_path / "drops", is_used=nobody)


def begin(drops: Drops, name: str = "a model.safetensors") -> Drop:
    return drops.begin(name, len(WHOLE), ends(WHOLE[:300], WHOLE[-100:]))


def test_what_is_recognised_is_a_file_of_its_size_with_both_ends(drops: Drops) -> None:
    drop = begin(drops)
    sketch = drops.path(drop)
    assert sketch.name == "a model.safetensors"
    assert sketch.read_bytes() == WHOLE[:300] + bytes(len(WHOLE) - 400) + WHOLE[-100:]
    assert sketch.stat().st_mode & 0o077 == 0
    assert drops.received(drop) == 0
    assert drops.find(drop.id) == drop


def test_seven_gigabytes_are_sketched_without_taking_them(drops: Drops) -> None:
    drop = drops.begin("big.safetensors", 7_000_000_000, ends(b"head", b"tail"))
    status = drops.path(drop).stat()
    assert status.st_size == 7_000_000_000
    assert status.st_blocks * 512 < 1 << 20


def test_the_rest_follows_in_pieces_and_takes_its_place_at_the_end(drops: Drops) -> None:
    drop = begin(drops)
    drops.require_whole(Path("/elsewhere/x"))
    assert drops.add(drop, 0, WHOLE[:5_000]) == 5_000
    again = Drops(folder=drops.folder, is_used=nobody)  # as after a crash
    assert again.received(again.find(drop.id)) == 5_000
    with pytest.raises(ConflictError, match="not sent yet"):
        again.require_whole(again.path(drop))
    assert again.add(drop, 5_000, b"") == 5_000
    assert again.add(drop, 5_000, WHOLE[5_000:]) == len(WHOLE)
    assert again.path(drop).read_bytes() == WHOLE
    assert again.received(drop) == len(WHOLE)
    assert again.add(drop, len(WHOLE), b"") == len(WHOLE)
    again.require_whole(again.path(drop))
    assert sorted(path.name for path in drops.folder.iterdir()) == [drop.id, f"{drop.id}.json"]


@pytest.mark.parametrize(
    ("offset", "piece"),
    [(1, b"x"), (0, WHOLE + b"x"), (len(WHOLE), b"x"), (10**14, b"")],
)
def test_a_piece_that_does_not_follow_is_refused(drops: Drops, offset: int, piece: bytes) -> None:
    drop = begin(drops)
    with pytest.raises(ConflictError, match="does not follow on the first 0 bytes"):
        drops.add(drop, offset, piece)
    assert drops.received(drop) == 0


def test_a_file_of_which_both_ends_are_all_is_there_at_once(drops: Drops) -> None:
    drop = drops.begin("tiny.pt", 400, ends(WHOLE[:300], WHOLE[300:400]))
    assert drops.received(drop) == 400
    assert drops.path(drop).read_bytes() == WHOLE[:400]
    drops.require_whole(drops.path(drop))


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        (0, ends(b"", b"")),
        (100, b""),
        (100, b"\1\0"),
        (100, b"\xff\xff\xff\xffabc"),
        (3, ends(b"ab", b"cd")),
        (1 << 41, ends(b"ab", b"cd")),
    ],
)
def test_what_is_no_two_ends_is_refused_and_leaves_nothing(
    drops: Drops, size: int, sent: bytes
) -> None:
    with pytest.raises(RequestError):
        drops.begin("x.pt", size, sent)
    assert not drops.folder.exists()


@pytest.mark.parametrize("number", ["", "..", "../x", "a" * 31, "A" * 32, "a" * 33, "a" * 32])
def test_what_is_no_drop_is_not_found(drops: Drops, number: str) -> None:
    begin(drops)
    with pytest.raises(AbsentError, match="was removed"):
        drops.find(number)


def test_a_drop_is_removed_unless_the_queue_needs_it(drops: Drops) -> None:
    drop = begin(drops)
    used = Drops(folder=drops.folder, is_used=lambda number: number == drop.id)
    with pytest.raises(ConflictError, match="the queue needs"):
        used.remove(drop)
    drops.remove(drop)
    assert list(drops.folder.iterdir()) == []


def test_what_nobody_went_on_with_for_a_day_is_swept_unless_it_is_used(drops: Drops) -> None:
    old, used, new = begin(drops), begin(drops), begin(drops)
    left = drops.folder / ("f" * 32)  # as by a kill between two steps
    left.mkdir()
    for path in drops.folder.rglob("*"):
        if new.id not in f"{path}":
            os.utime(path, (0, 0))
    keeping = Drops(folder=drops.folder, is_used=lambda number: number == used.id)
    assert keeping.sweep() == tuple(sorted([old.id, left.name]))
    assert {path.name[:32] for path in drops.folder.iterdir()} == {used.id, new.id}
    begin(keeping)  # a new one sweeps, too
    assert drops.find(new.id) == new


def test_at_a_start_half_a_file_is_swept_after_an_hour_and_a_whole_one_is_not(drops: Drops) -> None:
    half, whole, fresh = begin(drops), begin(drops), begin(drops)
    drops.add(half, 0, WHOLE[:300])
    drops.add(whole, 0, WHOLE)
    for path in drops.folder.rglob("*"):
        os.utime(path, (0, 0))
    os.utime(drops.folder / f"{fresh.id}.part", (HOUR, HOUR))  # its last part came later
    assert drops.sweep(now=HOUR + 1) == ()
    assert drops.sweep(now=HOUR + 1, unfinished=HOUR) == (half.id,)
    assert drops.find(whole.id) == whole
    assert drops.find(fresh.id) == fresh


def test_what_a_clock_that_was_ahead_has_left_is_swept_a_day_later(drops: Drops) -> None:
    drop = begin(drops)
    for path in drops.folder.rglob("*"):
        os.utime(path, (9 * DAY, 9 * DAY))
    assert drops.sweep(now=2 * DAY) == ()
    assert drops.sweep(now=2 * DAY + HOUR) == ()
    assert drops.sweep(now=3 * DAY + 1) == (drop.id,)


@contextmanager
def small_files(most: int) -> Iterator[None]:
    """Limit the size of files, as a full disk would; Python ignores the signal.

    No longer than the block: pytest's own output may go into a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_is_told_and_what_has_come_stays(drops: Drops) -> None:
    drop = begin(drops)
    drops.add(drop, 0, WHOLE[:4_000])
    said = "a limit on the size of files was reached"
    with pytest.raises(NoSpaceError, match=said), small_files(6_000):
        drops.add(drop, 4_000, WHOLE[4_000:])
    assert drops.received(drop) == 4_000
    assert drops.add(drop, 4_000, WHOLE[4_000:]) == len(WHOLE)
    assert drops.path(drop).read_bytes() == WHOLE


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the disk have so many bytes free, whatever it and other tests do."""
    usage = shutil.disk_usage(Path.cwd())._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    return usage.free


@pytest.mark.usefixtures("small_disk")
def test_without_room_for_the_rest_nothing_is_begun(drops: Drops) -> None:
    drop = drops.begin("x.pt", 1 << 40, ends(b"head", b"tail"))
    with pytest.raises(NoSpaceError, match="needs 1,099,511,627,776 bytes"):
        drops.add(drop, 0, b"headmore")
    assert drops.received(drop) == 0


def test_where_no_sketch_can_be_made_nothing_is_left(drops: Drops) -> None:
    with pytest.raises(NoSpaceError), small_files(1_000):
        begin(drops)
    assert list(drops.folder.iterdir()) == []


def test_what_is_still_to_come_of_an_earlier_file_is_not_given_to_a_later_one(
    drops: Drops, small_disk: int
) -> None:
    first = drops.begin("first.pt", small_disk // 10 * 7, ends(b"head", b"tail"))
    second = drops.begin("second.pt", small_disk // 10 * 7, ends(b"head", b"tail"))
    for drop, moment in ((first, 1), (second, 2)):
        os.utime(drops.folder / f"{drop.id}.json", (moment, moment))
    with pytest.raises(NoSpaceError, match="and the disk that it goes to has"):
        drops.add(second, 0, b"head")
    assert drops.add(first, 0, b"head") == 4, "the first one goes on"
    for path in (f"{first.id}.part", first.id):
        os.utime(drops.folder / path, (1, 1))
    assert drops.add(second, 0, b"head") == 4, "the first one was given up long ago"


def test_a_file_takes_its_name_once_all_of_it_is_on_the_disk(
    drops: Drops, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = begin(drops)
    flushed: list[tuple[str, int]] = []
    fsync = os.fsync

    def flush(handle: int) -> None:
        there = drops.path(drop).read_bytes() == WHOLE
        flushed.append(("whole" if there else "sketch", os.fstat(handle).st_size))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flush)
    drops.add(drop, 0, WHOLE[:5_000])
    assert flushed == []
    drops.add(drop, 5_000, WHOLE[5_000:])
    assert flushed[0] == ("sketch", len(WHOLE))
    assert [name for name, _ in flushed] == ["sketch", "whole"], "then its folder"


FILES = (
    File(path="unet/config.json", size=4, number=1),
    File(path="unet/model.safetensors", size=len(WHOLE), number=5),
    File(path="empty.txt", size=0, number=7),
)


def test_a_folder_s_files_are_sketched_and_come_one_by_one(drops: Drops) -> None:
    drop = drops.begin_folder("../a model", FILES)
    folder = drops.path(drop)
    assert (folder.name, drop.size) == ("a model", len(WHOLE) + 4)
    assert drops.find(drop.id) == drop
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}
    assert (folder / "unet" / "model.safetensors").stat().st_size == len(WHOLE)
    assert [drops.received(drop, place) for place in range(3)] == [0, 0, 0]
    drops.add_ends(drop, 0, ends(b"{}\n\n", b""))
    drops.add_ends(drop, 1, ends(WHOLE[:300], WHOLE[-100:]))
    assert drops.file(drop, 1).read_bytes()[:301] == WHOLE[:300] + b"\0"
    assert drops.received_all(drop) == 4, "a small file is whole with its ends"
    with pytest.raises(ConflictError, match="not sent yet"):
        drops.require_whole(folder)
    assert drops.add(drop, 0, WHOLE[:5_000], 1) == 5_000
    with pytest.raises(ConflictError, match="has come already"):
        drops.add_ends(drop, 1, ends(WHOLE[:300], WHOLE[-100:]))
    again = Drops(folder=drops.folder, is_used=nobody)  # as after a crash
    assert again.received(again.find(drop.id), 1) == 5_000
    assert again.add(drop, 5_000, WHOLE[5_000:], 1) == len(WHOLE)
    assert again.add(drop, 4, b"", 0) == 4
    assert again.received_all(drop) == drop.size
    again.require_whole(folder)
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {"config.json": b"{}\n\n", "model.safetensors": WHOLE, "empty.txt": b""}
    drops.remove(drop)
    assert list(drops.folder.iterdir()) == []


def test_of_half_a_folder_nothing_is_left_once_nobody_goes_on(drops: Drops) -> None:
    drop = drops.begin_folder("model", FILES)
    drops.add(drop, 0, WHOLE[:300], 1)
    for path in drops.folder.rglob("*"):
        os.utime(path, (0, 0))
    assert drops.sweep(now=HOUR + 1, unfinished=HOUR) == (drop.id,)
    assert list(drops.folder.iterdir()) == []


def test_ends_of_a_folder_s_file_that_are_none_are_refused(drops: Drops) -> None:
    drop = drops.begin_folder("model", FILES)
    for place, sent in ((0, ends(b"12345", b"")), (1, b""), (2, ends(b"x", b""))):
        with pytest.raises(RequestError):
            drops.add_ends(drop, place, sent)
    assert drops.received_all(drop) == 0


def test_where_a_folder_cannot_be_made_nothing_is_left(drops: Drops) -> None:
    with pytest.raises(NoSpaceError), small_files(1_000):
        drops.begin_folder("model", FILES)
    assert list(drops.folder.iterdir()) == []

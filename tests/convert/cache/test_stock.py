"""Kept files: found by content, bounded, never half there, and no danger to what they are of."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from sdcoreml.convert.cache import stock as module
from sdcoreml.convert.cache.digests import Digests
from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.cache.stock import USUAL, Stock, limit_of_stock
from sdcoreml.ground import locks
from sdcoreml.ground.digest import FileRecord, describe
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.events import Event


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    (tmp_path / "cache").mkdir()
    digests = Digests(tmp_path / "cache" / "digests")
    return Stock(folder=tmp_path / "cache" / "files", digests=digests, limit=100)


def write(path: Path, content: bytes) -> tuple[Path, FileRecord]:
    path.write_bytes(content)
    return path, describe({"": path})[""]


def test_what_is_kept_outlives_its_file(tmp_path: Path, stock: Stock) -> None:
    path, content = write(tmp_path / "program", b"program")
    stock.keep({path: content})
    path.unlink()
    assert stock.path_of(content).read_bytes() == b"program"
    assert [one.content for one in stock.entries()] == [content]
    assert stock.digests.recall(stock.path_of(content)) == content  # it is not hashed to be taken


def test_a_small_file_is_one_of_its_own(tmp_path: Path, stock: Stock) -> None:
    path, content = write(tmp_path / "program", b"program")
    stock.keep({path: content})
    path.write_bytes(b"edited!")
    assert stock.path_of(content).read_bytes() == b"program"


def test_weights_take_no_more_room(
    tmp_path: Path, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 3)
    path, content = write(tmp_path / "weight.bin", b"weights")
    stock.keep({path: content})
    kept = stock.path_of(content)
    assert kept.samefile(path) or kept.stat().st_nlink == 1  # a link, or a clone
    assert kept.read_bytes() == b"weights"


def test_a_program_whose_weights_are_on_another_disk_is_not_kept(
    tmp_path: Path, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 3)
    monkeypatch.setattr(module, "share", lambda *_: False)
    program, weights = write(tmp_path / "p", b"pro"), write(tmp_path / "w", b"weights")
    stock.keep(dict([program, weights]))
    assert stock.entries() == ()
    assert list(stock.folder.iterdir()) == []


def test_what_was_used_longest_ago_leaves_first(tmp_path: Path, stock: Stock) -> None:
    found = [write(tmp_path / name, name.encode() * 40) for name in "abc"]
    for place, (path, content) in enumerate(found[:2]):
        stock.keep({path: content})
        os.utime(stock.path_of(content).parent, ns=(place, place))
    stock.touch(found[0][1])
    stock.keep(dict(found[2:]))
    assert {one.content for one in stock.entries()} == {found[0][1], found[2][1]}


def test_a_program_above_the_limit_is_not_kept(tmp_path: Path, stock: Stock) -> None:
    stock.keep(dict([write(tmp_path / "a", bytes(61)), write(tmp_path / "b", bytes(40))]))
    assert stock.entries() == ()


def test_what_just_fits_is_kept_and_used_again(tmp_path: Path, stock: Stock) -> None:
    path, content = write(tmp_path / "whole", b"x" * 100)
    stock.keep({path: content})
    (before,) = stock.entries()
    os.utime(before.path.parent, ns=(1, 1))
    stock.keep({path: content})
    (after,) = stock.entries()
    assert (after.path, after.used > 1) == (before.path, True)


def test_what_another_process_keeps_meanwhile_is_its_own(tmp_path: Path, stock: Stock) -> None:
    path, content = write(tmp_path / "program", b"program")
    entry = stock.path_of(content).parent
    entry.mkdir(parents=True)
    (entry / "half").touch()
    stock.keep({path: content})
    assert not stock.path_of(content).exists()
    assert [one.name for one in stock.folder.iterdir()] == []


def test_to_remove_a_file_leaves_no_handle_open(tmp_path: Path, stock: Stock) -> None:
    path, content = write(tmp_path / "program", b"program")
    stock.keep({path: content})
    lowest = os.dup(0)
    os.close(lowest)
    stock.remove(content)
    again = os.dup(0)
    os.close(again)
    assert (again, stock.entries()) == (lowest, ())


def test_what_leaves_stays_known_where_it_is_linked_to(
    tmp_path: Path, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 3)
    path, content = write(tmp_path / "weight.bin", b"weights")
    stock.keep({path: content})
    is_link = stock.path_of(content).samefile(path)
    stock.remove(content)
    assert not stock.path_of(content).exists()
    assert not is_link or stock.digests.recall(path) == content


def test_what_was_cut_short_leaves(tmp_path: Path, stock: Stock) -> None:
    path, content = write(tmp_path / "program", b"program")
    stock.keep({path: content})
    stock.path_of(content).write_bytes(b"prog")
    empty = stock.folder / f"{'0' * 64}-5"
    empty.mkdir()
    assert sorted(stock.trim()) == sorted([empty / "content", stock.path_of(content)])
    assert stock.entries() == ()


def test_one_process_trims_at_a_time(tmp_path: Path, stock: Stock) -> None:
    stock.keep(dict([write(tmp_path / "program", b"program")]))
    lock = tmp_path / "cache" / "locks" / "files"
    with locks.try_lock_file(lock) as is_free:
        assert is_free
        assert Stock(folder=stock.folder, digests=stock.digests, limit=0).trim() == ()
    assert len(Stock(folder=stock.folder, digests=stock.digests, limit=0).trim()) == 1


def test_a_full_disk_leaves_no_part_of_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = write(tmp_path / "a", b"first"), write(tmp_path / "b", b"second")

    def fill(source: Path, target: Path) -> None:
        if source == second[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        shutil.copyfile(source, target)

    monkeypatch.setattr(module, "copy", fill)
    monkeypatch.setattr(module, "clone", lambda *_: False)
    told: list[Event] = []
    cache = Cache(folder=tmp_path / "cache", emit=told.append)
    cache.keep_files(dict([first, second]))
    assert [cache.find_file(one) for one in (first[1], second[1])] == [None, None]
    assert [event.text for event in told] == [
        f"{cache.folder}: nothing is remembered for other conversions (No space left on device)"
    ]
    assert not [path for path in cache.stock.folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("said", "limit"), [("", USUAL), ("0", 0), ("20 GB", 20 * 10**9), ("1.5gb", 1_500_000_000)]
)
def test_a_variable_says_how_much_is_kept(
    said: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_CACHE_LIMIT", said)
    assert limit_of_stock() == limit


@pytest.mark.parametrize("said", ["much", "-1", "10 GiB", "9" * 400, "9" * 305 + " TB"])
def test_what_is_no_size_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOREML_CACHE_LIMIT", said)
    with pytest.raises(UsageError, match="is no size"):
        limit_of_stock()


@pytest.mark.parametrize("limit", [0, 7])
def test_a_lower_limit_counts_even_if_nothing_is_new(
    limit: int, tmp_path: Path, stock: Stock
) -> None:
    program, other = write(tmp_path / "a", b"program"), write(tmp_path / "b", b"another")
    stock.keep(dict([program, other]))
    Stock(folder=stock.folder, digests=stock.digests, limit=limit).keep(dict([program]))
    assert sum(one.content.size for one in stock.entries()) == limit

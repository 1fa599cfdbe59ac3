from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.cache.care import find_changed_files, take_stock, tidy
from sdcoreml.convert.cache.shelf import Cache, Record, Values, WeightFile
from sdcoreml.ground import locks
from sdcoreml.ground.digest import describe


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(folder=tmp_path / "cache")


def kept(cache: Cache, *paths: Path) -> None:
    """Keep files as weights."""
    for number, path in enumerate(paths):
        path.write_bytes(b"12345")
        made = WeightFile(content=describe({"": path})[""], paths=(str(path),))
        cache.keep_weights("key", f"{number}", made)


def test_records_are_counted_by_their_kind(tmp_path: Path, cache: Cache) -> None:
    kept(cache, tmp_path / "a", tmp_path / "b")
    cache.keep_values(Values.AUDITS, "key", {"elements": 1})
    counts = {one.kind: one.count for one in take_stock(cache.folder) if one.count}
    assert counts == {"weights": 2, "audits": 1}


def test_only_what_is_damaged_or_unused_is_removed(tmp_path: Path, cache: Cache) -> None:
    kept(cache, tmp_path / "a")
    cache.keep("key", Record(entry={}))
    damaged = cache.folder / "programs" / "other.json"
    damaged.write_text("{")
    with cache.hold(["one", "two"]):
        pass
    with locks.lock_file(cache.folder / "locks" / "two", print):
        gone = tidy(cache.folder)
    assert set(gone) == {damaged, cache.folder / "locks" / "one"}
    assert tidy(cache.folder) == (cache.folder / "locks" / "two",)
    assert cache.find("key") == Record(entry={})
    assert list(cache.find_weights("key")) == ["0"]


def test_bytes_are_read_of_what_is_still_there(tmp_path: Path, cache: Cache) -> None:
    good, bad, gone = (tmp_path / name for name in ("good", "bad", "gone"))
    kept(cache, good, bad, gone)
    bad.write_bytes(b"54321")
    gone.unlink()
    assert [one.path for one in find_changed_files(cache.folder)] == [bad]


def test_files_of_programs_are_read(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    files = {"x": {"size": 5, "sha256": "0" * 64}}
    cache.keep("key", Record(entry={"files": files}, folders=("/nowhere", str(tmp_path))))
    assert [one.path for one in find_changed_files(cache.folder)] == [tmp_path / "x"]


def test_values_that_were_changed_are_told_and_removed(tmp_path: Path, cache: Cache) -> None:
    kept(cache, tmp_path / "a")
    cache.keep("key", Record(entry={}))
    cache.keep_finished("key", "0" * 64)
    for kind in Values:
        cache.keep_values(kind, "good", {"psnr": 41})
    cache.keep_values(Values.PALETTES, "bad", {"psnr": 41})
    bad = cache.folder / "palettes" / "bad.json"
    bad.write_text(bad.read_text().replace("41", "42"))
    assert [(one.path, one.because) for one in find_changed_files(cache.folder)] == [
        (bad, "its values are not those that were kept")
    ]
    assert tidy(cache.folder) == (bad,)

"""Counts, checks and tidies what the cache holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.cache.digests import Digests
from sdcoreml.convert.cache.shelf import FILES, Record, Values, WeightFile, is_damaged, sweep_cache
from sdcoreml.convert.cache.stock import USUAL, Stock
from sdcoreml.ground import locks
from sdcoreml.ground.codec import DecodeError, from_plain
from sdcoreml.ground.digest import FileRecord, find_changed
from sdcoreml.ground.documents import read_record
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document

KINDS: Mapping[str, str] = {
    "programs": "programs that were made and proved",
    "weights": "where finished folders have their weight files",
    "audits": "audits of weights",
    "palettes": "palettes that were found",
    "folders": "folders of assembled models",
    "runs": "what the last run of a job file left undone",
    "scans": "weights whose numbers were read",
}
"""The folders of the cache, and what their records are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """How many records of a kind there are, and their bytes."""

    kind: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A finished file that is no longer what its record says, or cannot be read."""

    path: Path
    because: str


def take_stock(cache: Path) -> tuple[Holding, ...]:
    """Count the records of each kind, and the files that are kept."""
    sizes = {kind: [path.stat().st_size for path in _records(cache, kind)] for kind in KINDS}
    sizes[FILES] = [one.content.size for one in _stock(cache).entries()]
    return tuple(
        Holding(kind=kind, count=len(found), bytes=sum(found)) for kind, found in sizes.items()
    )


def _stock(cache: Path, limit: int = USUAL) -> Stock:
    return Stock(folder=cache / FILES, digests=Digests(cache / "digests"), limit=limit)


def tidy(cache: Path, limit: int = USUAL) -> tuple[Path, ...]:
    """Remove damaged records, locks that nobody holds, and leftovers; return their paths.

    Of the files that are kept, those that were used longest ago leave above the limit, in bytes.
    Records of files that are gone stay: they are small, and the files may be on another disk.
    """
    gone = [*sweep_cache(cache), *_stock(cache, limit).trim()]
    for kind in KINDS:
        for path in _records(cache, kind):
            if is_damaged(path, kind):
                path.unlink(missing_ok=True)
                gone.append(path)
    for path in sorted((cache / "locks").glob("*")):
        with locks.try_lock_file(path) as is_free:
            gone += [path] if is_free else []
    return tuple(gone)


def find_changed_files(cache: Path) -> Iterator[Changed]:
    """Read the bytes of all recorded files that are still there; yield those that changed.

    Values and files that are kept in the cache itself are read, too.
    """
    for kind in Values:
        for path in _records(cache, kind.value):
            if is_damaged(path, kind.value):
                yield Changed(path=path, because="its values are not those that were kept")
    recorded = _recorded(cache)
    for paths in _by_file(recorded):  # names of one file are read once
        named = {os.fspath(path): path for path in paths}
        try:
            changed = find_changed(named, {name: recorded[path] for name, path in named.items()})
            because = "its bytes are not those that were written"
        except (BadInputError, OSError) as error:
            changed, because = frozenset(named), str(error)
        yield from (Changed(path=named[name], because=because) for name in sorted(changed))


def _by_file(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Yield paths in groups, a group for each file that they name."""
    found: dict[tuple[int, int], list[Path]] = {}
    for path in sorted(paths):
        with suppress(OSError):  # it was removed meanwhile
            status = path.lstat()
            found.setdefault((status.st_dev, status.st_ino), []).append(path)
    yield from found.values()


def _recorded(cache: Path) -> Mapping[Path, FileRecord]:
    """Return the newest records of finished files that are there."""
    found: dict[Path, FileRecord] = {}
    for path in _records(cache, "weights"):
        with suppress(BadInputError):
            made = read_record(path, Document.RECORD, WeightFile)
            found |= {Path(place): made.content for place in made.paths}
    for path in _records(cache, "programs"):
        with suppress(BadInputError, DecodeError):
            program = read_record(path, Document.RECORD, Record)
            files = from_plain(dict[str, FileRecord], program.entry.get("files", {}), "files")
            newest = [Path(folder) for folder in program.folders[-1:]]
            found |= {folder / name: one for folder in newest for name, one in files.items()}
    found |= {one.path: one.content for one in _stock(cache).entries()}
    return {path: record for path, record in found.items() if os.path.lexists(path)}


def _records(cache: Path, kind: str) -> list[Path]:
    return sorted((cache / kind).rglob("[!.]*.json"))

"""The cache: records of programs that were made, by their keys, in the user's cache folder.

    format               the version of this layout
    digests              `convert.cache.digests`
    programs/KEY.json    a program: its entry in a manifest, its answers, the folders that have it
    folders/KEY.json     a folder of a model that was assembled: the digest of its manifest
    weights/KEY/LAYOUT.json  a weight file of a component: its digest, the finished files with it
    audits/KEY.json      the audit of a program's weights
    palettes/KEY.json    what rounded the weights of a component
    runs/KEY.json        what the last run of a job file left undone
    scans/KEY.json       for which programs a component's numbers were read
    files/               the files of programs: `convert.cache.stock`
    locks/KEY            held while a program is made

Each record is a small file of its own, written aside and renamed. So a kill leaves the old record
or the new one, and never half of one; two processes need no common transaction, since records of
one key are equal but for the folders; and there is nothing to repair. SQLite would keep that
promise too, but where a file system has no sound locks, as some networks', a damaged database loses
everything, and a damaged record one program.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TypeVar

from sdcoreml.convert.cache.digests import Digests
from sdcoreml.convert.cache.key import key_of
from sdcoreml.convert.cache.stock import USUAL, Stock, limit_of_stock
from sdcoreml.ground import locks
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.digest import FileRecord, describe
from sdcoreml.ground.documents import read_record
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UsageError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.leftovers import sweep
from sdcoreml.ground.places import user_folder

FORMAT = 1
"""The version of the folder's layout. A folder of a newer version is left alone."""

VARIABLE = "SDCOREML_CACHE"
FILES = "files"
_MOST_FOLDERS = 8

T = TypeVar("T")


class Values(Enum):
    """Kinds of JSON values that are kept; each has a folder."""

    AUDITS = "audits"
    PALETTES = "palettes"
    RUNS = "runs"
    SCANS = "scans"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A program that was made: its entry in a manifest and its answers, as JSON values.

    `folders` are finished folders that have its files, the newest last.
    """

    entry: Mapping[str, object]
    answers: Mapping[str, object] | None = None
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The digest of the manifest that a conversion of assembled ingredients ended with."""

    manifest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """A weight file that was made: its content, and the paths of finished ones, the newest last."""

    content: FileRecord
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptValues:
    """JSON values that were kept, and a `digest` of them and of where: nothing else checks them."""

    values: Mapping[str, object]
    digest: str


@dataclass(slots=True, kw_only=True)
class Cache:
    """The records in `folder`. What cannot be written is said once, and is no error.

    At most `limit` bytes of files are kept beside them.
    """

    folder: Path
    emit: Emit = silent
    limit: int = USUAL
    digests: Digests = field(init=False)
    stock: Stock = field(init=False)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Open the memory of digests, and the kept files, beside the records."""
        self.digests = Digests(self.folder / "digests")
        self.stock = Stock(folder=self.folder / FILES, digests=self.digests, limit=self.limit)

    def find(self, key: str) -> Record | None:
        """Return the record of a program; `None` if there is none, or if it is damaged."""
        return _read(self._program(key), Record)

    def keep(self, key: str, record: Record) -> None:
        """Keep the record of a program, and remember the folders of an earlier record."""
        with self._forgiving():
            before = self.find(key)
            folders = _newest((*(before.folders if before else ()), *record.folders))
            _write(self._program(key), replace(record, folders=folders))

    def find_finished(self, key: str) -> str | None:
        """Return the digest of the manifest of a folder with this key; `None` if not known."""
        found = _read(self._finished(key), Finished)
        return found.manifest if found else None

    def keep_finished(self, key: str, manifest: str) -> None:
        """Keep the digest of the manifest of a finished folder."""
        with self._forgiving():
            _write(self._finished(key), Finished(manifest=manifest))

    def find_weights(self, key: str) -> Mapping[str, WeightFile]:
        """Return the weight files that were made from the component with this key, by layout."""
        with suppress(OSError):
            places = sorted((self.folder / "weights" / key).glob("*.json"))
            found = {place.stem: _read(place, WeightFile) for place in places}
            return {layout: one for layout, one in found.items() if one is not None}
        return {}

    def keep_weights(self, key: str, layout: str, made: WeightFile) -> None:
        """Keep where a component's weight file is, and remember the paths of an earlier record."""
        with self._forgiving():
            place = self.folder / "weights" / key / f"{layout}.json"
            before = _read(place, WeightFile)
            known = before.paths if before and before.content == made.content else ()
            _write(place, replace(made, paths=_newest((*known, *made.paths))))

    def find_values(self, kind: Values, key: str) -> Mapping[str, object]:
        """Return the JSON values that were kept under a key; none if there are none, or damaged."""
        return read_values(self._values(kind, key)) or {}

    def keep_values(self, kind: Values, key: str, values: Mapping[str, object]) -> None:
        """Keep JSON values under a key."""
        with self._forgiving():
            path = self._values(kind, key)
            plain = to_plain(values)
            _write(path, KeptValues(values=plain, digest=_digest(path, plain)))

    def describe(self, files: Mapping[str, Path]) -> Mapping[str, FileRecord]:
        """Return the records of all the files by their names; hash and remember what is not known.

        Raises:
            BadInputError: one is not a regular file, or cannot be read.
        """
        known = {name: one for name, path in files.items() if (one := self.digests.recall(path))}
        others, since = {n: path for n, path in files.items() if n not in known}, time.time_ns()
        hashed = describe(others)
        self.remember({path: hashed[name] for name, path in others.items()}, since)
        return {name: known.get(name) or hashed[name] for name in files}

    def remember(self, records: Mapping[Path, FileRecord], since: int) -> None:
        """Remember the digests of files that were hashed or written from `since` on."""
        with self._forgiving():
            self.digests.remember(records, since)

    def keep_files(self, files: Mapping[Path, FileRecord]) -> None:
        """Keep files that nobody will write to, so that they outlive their folder: all or none."""
        with self._forgiving():
            self.stock.keep(files)

    def find_file(self, content: FileRecord) -> Path | None:
        """Return a kept file with this content; `None` if there is none, or a damaged one."""
        path = self.stock.path_of(content)
        try:
            if self.describe({"": path})[""] == content:
                self.stock.touch(content)
                return path
        except (BadInputError, OSError):  # it is not kept, or has just left
            return None
        self.warn(f"{path}: damaged since it was kept; what needs it is made again")
        self.stock.remove(content)
        return None

    @contextmanager
    def hold(self, keys: Collection[str]) -> Iterator[None]:
        """Hold the locks of keys while their programs are made, so that nobody else makes them too.

        They are taken in one order by everybody, so that two processes cannot wait for each other.
        """

        def notice(owner: str) -> None:
            text = f"waiting for process {owner}, which makes some of these programs"
            self.emit(Event(kind="note", text=text))

        with ExitStack() as held:
            with self._forgiving():
                (self.folder / "locks").mkdir(parents=True, exist_ok=True)
                for key in sorted(keys):
                    held.enter_context(locks.lock_file(self.folder / "locks" / key, notice))
            yield

    def warn(self, text: str, about: str = "") -> None:
        """Emit a warning, unless there was one before with the same text, or `about` the same."""
        if (about or text) not in self._told:
            self.emit(Event(kind="warning", text=text))
        self._told.add(about or text)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Let the block fail to write: the conversion is right without the cache."""
        try:
            yield
        except (OSError, SdcoremlError) as error:
            reason = error.what if isinstance(error, SdcoremlError) else error.strerror
            text = f"{self.folder}: nothing is remembered for other conversions ({reason})"
            self.warn(text, about="writing")

    def _program(self, key: str) -> Path:
        return self.folder / "programs" / f"{key}.json"

    def _values(self, kind: Values, key: str) -> Path:
        return self.folder / kind.value / f"{key}.json"

    def _finished(self, key: str) -> Path:
        return self.folder / "folders" / f"{key}.json"


def _read(path: Path, kind: type[T]) -> T | None:
    """Read a record; `None` if there is none, or a damaged one, which the next one replaces."""
    try:
        return read_record(path, Document.RECORD, kind)
    except BadInputError:
        return None


def read_values(path: Path) -> Mapping[str, object] | None:
    """Read JSON values that were kept; `None` if there are none, or not those that were kept."""
    found = _read(path, KeptValues)
    return found.values if found and found.digest == _digest(path, found.values) else None


def _digest(path: Path, values: Mapping[str, object]) -> str:
    return key_of({"kind": path.parent.name, "key": path.stem, "values": values})


def is_damaged(path: Path, kind: str) -> bool:
    """Whether a record of a kind, which is the name of its folder, is found by nobody."""
    found = _read(path, _RECORDS[kind]) if kind in _RECORDS else read_values(path)
    return found is None and path.exists()


_RECORDS: Mapping[str, type[object]] = {
    "programs": Record,
    "folders": Finished,
    "weights": WeightFile,
}
"""The kinds of records whose content is compared with the files that they tell of."""


def _newest(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reversed(names)))[:_MOST_FOLDERS][::-1]


def _write(path: Path, record: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(to_plain(record), sort_keys=True) + "\n")


def cache_folder() -> Path:
    """Return `$SDCOREML_CACHE`, else the user's cache folder for this tool.

    Raises:
        UsageError: the home folder is unknown.
    """
    return user_folder(VARIABLE, "cache")


def open_cache(emit: Emit = silent) -> Cache | None:
    """Open the user's cache; `None`, with a warning, if a newer version of this tool wrote it.

    Raises:
        UsageError: what says how many bytes may be kept is no size.
    """
    limit = limit_of_stock()
    try:
        folder = cache_folder()
    except UsageError:
        return None
    cache = Cache(folder=folder, emit=emit, limit=limit)
    said = format_of(folder)
    if said is None:
        with cache._forgiving():  # noqa: SLF001  its own first file
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / _MARK, f"{FORMAT}\n")
    elif said != f"{FORMAT}":
        text = f"{folder}: of another version of sdcoreml ({said!r}); it is left alone"
        emit(Event(kind="warning", text=text))
        return None
    sweep_cache(folder)
    return cache


def sweep_cache(folder: Path) -> tuple[Path, ...]:
    """Remove what killed runs left in a cache, and return the removed paths."""
    places = (folder, *folder.glob("*"), *folder.glob("weights/*"))
    return tuple(gone for each in places for gone in sweep(each))


_MARK = "format"


def format_of(folder: Path) -> str | None:
    """Return the format that a cache says it has, cut; `None` if it says none."""
    with suppress(BadInputError):
        return read_text(folder / _MARK, Document.RECORD).strip()[:20]
    return None

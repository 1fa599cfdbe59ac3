"""Files that are dropped on the page: recognised from their two ends, then streamed to disk.

A browser hands over no path, so what is dropped has to be copied. Its header and tail come first,
and are judged in a sparse file of its full size, so the verdict is there before a single gigabyte
has moved. In the studio's folder:

    drops/ID.json   its name, size and number of bytes
    drops/ID.part   what has come of it, in order: its length says where to go on
    drops/ID/NAME   the sparse file, until the whole one takes its name

Whatever is killed, what has come stays, and the page goes on from there. What nobody went on with
for a day is removed, unless the queue names it; when the studio starts, after an hour already if
not all of it has come, since the page that would have sent the rest is gone.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from sdcoreml.doctor.studio.refusals import AbsentError, ConflictError, RequestError
from sdcoreml.ground.aside import flush_folder, write_text
from sdcoreml.ground.documents import read_record
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.files import Document
from sdcoreml.ground.refusals import translate_os_errors

FOLDER = "drops"
LARGEST = 1 << 40
"""The most bytes of a dropped file: a thousand times the usual model."""

_ID = re.compile(r"[0-9a-f]{32}")
_LENGTH = 4
"""The bytes before a head that say how long it is, the lowest first."""

_LONGEST_NAME = 200
_STILL = 600.0
"""Seconds after which a file of which nothing more has come is not waited for with room."""
HOUR, DAY = 3_600.0, 86_400.0
"""Seconds after which a file that nobody went on with is removed: half a one, and any."""


Bytes: TypeAlias = bytes | bytearray


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A dropped file: its name, made safe, and its size in bytes."""

    id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops:
    """The dropped files in `folder`; `is_used` tells whether the queue names one."""

    folder: Path
    is_used: Callable[[str], bool]

    def begin(self, name: str, size: int, ends: Bytes) -> Drop:
        """Take the ends of a file: the length of its head, the head, and its tail.

        Raises:
            RequestError: they are no ends of a file of this size.
            NoSpaceError: there is no room even for them.
        """
        head, tail = _split(ends, size)
        self.sweep()
        drop = Drop(id=secrets.token_hex(16), name=safe_name(name), size=size)
        sketch = self.path(drop)
        with _written(sketch):
            sketch.parent.mkdir(mode=0o700, parents=True)
            try:
                _write_sketch(sketch, size, head, tail)
                if len(head) + len(tail) < size:
                    self._part(drop.id).touch(mode=0o600)
                write_text(self._record(drop.id), json.dumps(asdict(drop)))
            except BaseException:
                self._remove(drop.id)
                raise
        return drop

    def find(self, number: str) -> Drop:
        """Return a dropped file by its id.

        Raises:
            AbsentError: there is none.
        """
        if _ID.fullmatch(number):
            with suppress(BadInputError):
                return read_record(self._record(number), Document.RECORD, Drop)
        raise AbsentError("this file was removed", remedy="drop it again")

    def path(self, drop: Drop) -> Path:
        """Return the path of the file, which is sparse until all of it has come."""
        return self.folder / drop.id / drop.name

    def received(self, drop: Drop) -> int:
        """Return how many bytes have come."""
        try:
            return self._part(drop.id).stat().st_size
        except FileNotFoundError:
            return drop.size

    def add(self, drop: Drop, offset: int, piece: Bytes) -> int:
        """Write the next piece of a file; return how many bytes have come.

        Raises:
            ConflictError: it does not follow on what has come.
            NoSpaceError: the rest does not fit on the disk, or a limit was reached. What has come
                stays.
        """
        have = self.received(drop)
        if offset != have or len(piece) > drop.size - have:
            raise ConflictError(f"this part does not follow on the first {have:,} bytes")
        if have == drop.size:
            return have
        part = self._part(drop.id)
        self._require_room(drop, drop.size - have)
        with _written(self.path(drop)):
            handle = os.open(part, os.O_WRONLY | os.O_CLOEXEC)
            try:
                _append(handle, have, piece)
                if have + len(piece) == drop.size:
                    os.fsync(handle)
            finally:
                os.close(handle)
            if have + len(piece) == drop.size:
                part.replace(self.path(drop))
                flush_folder(self.path(drop).parent)
        return have + len(piece)

    def _require_room(self, drop: Drop, nbytes: int) -> None:
        """Raise `NoSpaceError` if so many bytes do not fit beside the rest of earlier files."""
        free = max(0, shutil.disk_usage(self.folder).free - self._promised(drop))
        if free < nbytes:
            raise NoSpaceError(
                f"needs {nbytes:,} bytes, and the disk that it goes to has {free:,} free",
                where=drop.name,
                remedy=f"free {nbytes - free:,} bytes, or choose the file from this computer: that"
                " copies nothing",
            )

    def _promised(self, drop: Drop) -> int:
        """Return how much is still to come of files whose sending began before this one's."""
        mine = self._begun(drop.id)
        since = time.time() - _STILL
        nbytes = 0
        for number in self._ids():
            if self._begun(number) >= mine or self._touched(number) < since:
                continue
            with suppress(AbsentError):  # it was removed meanwhile
                other = self.find(number)
                nbytes += other.size - self.received(other)
        return nbytes

    def _begun(self, number: str) -> tuple[int, str]:
        """Return what orders files by their beginning: their records are written once."""
        with suppress(OSError):
            return self._record(number).stat().st_mtime_ns, number
        return 0, number

    def remove(self, drop: Drop) -> None:
        """Remove a file that the queue does not need.

        Raises:
            ConflictError: the queue needs it.
        """
        if self.is_used(drop.id):
            raise ConflictError(
                "the queue needs this file", where=drop.name, remedy="remove its entry first"
            )
        self._remove(drop.id)

    def require_whole(self, path: Path) -> None:
        """Refuse a path that is a dropped file of which only the ends have come.

        Raises:
            ConflictError: it is one.
        """
        with suppress(ValueError):
            number = path.relative_to(self.folder).parts[:1]
            if number and self._part(number[0]).exists():
                raise ConflictError(
                    "this file is not sent yet", where=path.name, remedy="wait, or drop it again"
                )

    def sweep(self, now: float | None = None, *, unfinished: float = DAY) -> tuple[str, ...]:
        """Remove what nobody went on with for a day; return the ids of what was removed.

        A file of which a part is missing stays for `unfinished` seconds after the last one.
        """
        moment = time.time() if now is None else now
        gone = []
        for number in sorted(self._ids()):
            patience = unfinished if self._part(number).exists() else DAY
            if self._touched(number) < moment - patience and not self.is_used(number):
                self._remove(number)
                gone.append(number)
        return tuple(gone)

    def _ids(self) -> set[str]:
        with suppress(OSError):
            return {one.name[:32] for one in self.folder.iterdir() if _ID.match(one.name)}
        return set()

    def _touched(self, number: str) -> float:
        """Return when a file was last gone on with, in seconds since 1970."""
        moments = [0.0]
        for path in (self._record(number), self._part(number), self.folder / number):
            with suppress(OSError):
                moments.append(path.stat().st_mtime)
        return max(moments)

    def _remove(self, number: str) -> None:
        """Remove a file; its record goes first, so that nobody finds half of it."""
        for path in (self._record(number), self._part(number)):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.folder / number, ignore_errors=True)

    def _record(self, number: str) -> Path:
        return self.folder / f"{number}.json"

    def _part(self, number: str) -> Path:
        return self.folder / f"{number}.part"


def safe_name(name: str) -> str:
    """Return the last part of a name that a browser told, as a name that any disk takes.

    It is never hidden, has no control characters, and keeps its suffix when it is cut.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(one for one in last if one.isprintable() and one != ":").strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    if not dot:
        stem, suffix = kept, ""
    ending = f"{dot}{suffix[:20]}"
    while len(f"{stem}{ending}".encode()) > _LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem or 'model'}{ending}"


def _split(ends: Bytes, size: int) -> tuple[memoryview, memoryview]:
    whole = memoryview(ends)  # slices of bytes would be copies of megabytes
    length = int.from_bytes(ends[:_LENGTH], "little")
    head, tail = whole[_LENGTH : _LENGTH + length], whole[_LENGTH + length :]
    if len(ends) < _LENGTH or len(head) != length or len(head) + len(tail) > size:
        raise RequestError("these are no ends of a file of this size", where="the request")
    if not 0 < size <= LARGEST:
        raise RequestError("no model has this size", where="the request")
    return head, tail


def _write_sketch(path: Path, size: int, head: memoryview, tail: memoryview) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(handle, size)
        _write_all(handle, head, 0)
        _write_all(handle, tail, size - len(tail))
    finally:
        os.close(handle)


def _append(handle: int, offset: int, piece: Bytes) -> None:
    """Write a piece as a whole or not at all: the length of the file says what has come."""
    try:
        _write_all(handle, piece, offset)
    except BaseException:
        os.ftruncate(handle, offset)
        raise


def _write_all(handle: int, data: Bytes | memoryview, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(handle, rest, offset)
        rest, offset = rest[written:], offset + written


@contextmanager
def _written(path: Path) -> Iterator[None]:
    with translate_os_errors(path.name):
        yield

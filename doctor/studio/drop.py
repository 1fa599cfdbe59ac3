"""What is dropped on the page: recognised from the two ends of its files, then streamed to disk.

A browser hands over no path, so what is dropped has to be copied. Headers and tails come first,
and are judged in sparse files of the full sizes, so the verdict is there before a single gigabyte
has moved. In the studio's folder:

    drops/ID.json      its name, size and number of bytes; of a folder also those of its files
    drops/ID.part      what has come of a file, in order: its length says where to go on
    drops/ID.N.part    what has come of the file N of a folder
    drops/ID/NAME      the sparse file, until the whole one takes its name; or the folder of these

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sdcoreml.doctor.studio.dropped import Bytes, Drop, File, safe_name, split_ends
from sdcoreml.doctor.studio.refusals import AbsentError, ConflictError, RequestError
from sdcoreml.doctor.studio.sketch import write_all, write_sketch
from sdcoreml.ground.aside import flush_folder, write_text
from sdcoreml.ground.documents import read_record
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.files import Document
from sdcoreml.ground.refusals import translate_os_errors

FOLDER = "drops"
_ID = re.compile(r"[0-9a-f]{32}")
_STILL = 600.0
"""Seconds after which a file of which nothing more has come is not waited for with room."""
HOUR, DAY = 3_600.0, 86_400.0
"""Seconds after which a file that nobody went on with is removed: half a one, and any."""


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
        head, tail = split_ends(ends, size)
        if not size:
            raise RequestError("no model has this size", where="the request")
        drop = Drop(id=secrets.token_hex(16), name=safe_name(name), size=size)
        with self._begun_whole(drop):
            self._write_ends(drop, 0, head, tail)
        return drop

    def begin_folder(self, name: str, files: tuple[File, ...]) -> Drop:
        """Take the names and sizes of a folder's files, which `choose_files` has chosen.

        Raises:
            NoSpaceError: there is no room even for empty files.
        """
        size = sum(one.size for one in files)
        drop = Drop(id=secrets.token_hex(16), name=safe_name(name), size=size, files=files)
        with self._begun_whole(drop):
            for place in range(len(files)):
                self.file(drop, place).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._write_ends(drop, place, memoryview(b""), memoryview(b""))
        return drop

    def add_ends(self, drop: Drop, place: int, ends: Bytes) -> None:
        """Take the two ends of a folder's file; all of a small one is one of them.

        Raises:
            RequestError: they are no ends of a file of this size.
            ConflictError: more of it has come already.
            NoSpaceError: there is no room even for them.
        """
        head, tail = split_ends(ends, drop.sizes[place])
        if self.received(drop, place):
            raise ConflictError("more of this file has come already")
        with _written(self.file(drop, place)):
            self._write_ends(drop, place, head, tail)

    @contextmanager
    def _begun_whole(self, drop: Drop) -> Iterator[None]:
        """Make room and folder for what is dropped, and its record last; or leave nothing."""
        self.sweep()
        place = self.folder / drop.id
        with _written(place / drop.name):
            place.mkdir(mode=0o700, parents=True)
            try:
                yield
                write_text(self._record(drop.id), json.dumps(asdict(drop)))
            except BaseException:
                self._remove(drop.id)
                raise

    def _write_ends(self, drop: Drop, place: int, head: memoryview, tail: memoryview) -> None:
        size, part = drop.sizes[place], self._part(drop, place)
        write_sketch(self.file(drop, place), size, head, tail)
        if len(head) + len(tail) == size:
            part.unlink(missing_ok=True)
        else:
            part.touch(mode=0o600)

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
        """Return the path of the file or folder; files are sparse until all of them has come."""
        return self.folder / drop.id / drop.name

    def file(self, drop: Drop, place: int) -> Path:
        """Return the path of a file: of the only one, or of that place in a folder."""
        return self.path(drop) / drop.files[place].path if drop.files else self.path(drop)

    def received(self, drop: Drop, place: int = 0) -> int:
        """Return how many bytes of a file have come."""
        try:
            return self._part(drop, place).stat().st_size
        except FileNotFoundError:
            return drop.sizes[place]

    def received_all(self, drop: Drop) -> int:
        """Return how many bytes of all files have come."""
        return sum(self.received(drop, place) for place in range(len(drop.sizes)))

    def add(self, drop: Drop, offset: int, piece: Bytes, place: int = 0) -> int:
        """Write the next piece of a file; return how many bytes of it have come.

        Raises:
            ConflictError: it does not follow on what has come.
            NoSpaceError: the rest does not fit on the disk, or a limit was reached. What has come
                stays.
        """
        have, size = self.received(drop, place), drop.sizes[place]
        if offset != have or len(piece) > size - have:
            raise ConflictError(f"this part does not follow on the first {have:,} bytes")
        if have == size:
            return have
        part, path = self._part(drop, place), self.file(drop, place)
        self._require_room(drop, drop.size - self.received_all(drop))
        with _written(path):
            handle = os.open(part, os.O_WRONLY | os.O_CLOEXEC)
            try:
                _append(handle, have, piece)
                if have + len(piece) == size:
                    os.fsync(handle)
            finally:
                os.close(handle)
            if have + len(piece) == size:
                part.replace(path)
                flush_folder(path.parent)
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
                nbytes += other.size - self.received_all(other)
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
        """Refuse a path of something dropped of which not all has come.

        Raises:
            ConflictError: it is one.
        """
        with suppress(ValueError):
            number = path.relative_to(self.folder).parts[:1]
            if number and self._parts(number[0]):
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
            patience = unfinished if self._parts(number) else DAY
            if self._touched(number) > moment:
                self._touch(number, moment)
            elif self._touched(number) < moment - patience and not self.is_used(number):
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
        for path in self._places(number):
            with suppress(OSError):
                moments.append(path.stat().st_mtime)
        return max(moments)

    def _touch(self, number: str, moment: float) -> None:
        """Count from now on: the clock was ahead, and nothing would be removed until then."""
        for path in self._places(number):
            with suppress(OSError):
                os.utime(path, (moment, moment))

    def _places(self, number: str) -> tuple[Path, ...]:
        return (self._record(number), *self._parts(number), self.folder / number)

    def _remove(self, number: str) -> None:
        """Remove a file; its record goes first, so that nobody finds half of it."""
        for path in (self._record(number), *self._parts(number)):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.folder / number, ignore_errors=True)

    def _record(self, number: str) -> Path:
        return self.folder / f"{number}.json"

    def _part(self, drop: Drop, place: int) -> Path:
        which = f".{drop.files[place].number}" if drop.files else ""
        return self.folder / f"{drop.id}{which}.part"

    def _parts(self, number: str) -> list[Path]:
        """Return what has come of files of which more is to come."""
        return [*self.folder.glob(f"{number}*.part")] if _ID.fullmatch(number) else []


def _append(handle: int, offset: int, piece: Bytes) -> None:
    """Write a piece as a whole or not at all: the length of the file says what has come."""
    try:
        write_all(handle, piece, offset)
    except BaseException:
        os.ftruncate(handle, offset)
        raise


@contextmanager
def _written(path: Path) -> Iterator[None]:
    with translate_os_errors(path.name):
        yield

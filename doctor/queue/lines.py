"""The lines that an entry's command prints, in files that stay small however long it runs."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.aside import open_aside
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.files import RegularFile

LARGEST = 2 << 20
"""A file of more bytes is written anew with fewer lines."""

MOST = 16 << 20
"""No further lines are written into a file of so many bytes."""

_AT_ONCE = 1 << 20
_TAIL = 1 << 16
_FIRST = 256
_SPAN, _MARKS = 1 << 25, 1 << 24
"""An offset is `mark * _SPAN + position`: of 15 digits at most, exact in JavaScript, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Whole lines of a file, and the offset to go on from, which also says of which file it is.

    If `is_anew`, the file was begun or shortened since, and these are its first lines.
    """

    lines: tuple[str, ...] = ()
    offset: int = 0
    is_anew: bool = False


def read_lines(path: Path, offset: int = 0) -> Heard:
    """Return the whole lines of a file from `offset` on, at most a megabyte at once."""
    try:
        with RegularFile(path) as file:
            size, mark = file.seek(0, 2), _mark(file)
            start = offset % _SPAN
            is_anew = offset != 0 and (offset // _SPAN != mark or start > size)
            start = 0 if is_anew else start
            file.seek(start)
            data = file.read(min(_AT_ONCE, _SPAN - 1 - start))
    except (BadInputError, OSError):
        return Heard(is_anew=offset > 0)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and len(data) == _AT_ONCE:
        whole = data  # one endless line
    lines = tuple(line.decode(errors="replace") for line in whole.splitlines())
    end = start + len(whole)
    return Heard(lines=lines, offset=mark * _SPAN + end if end else 0, is_anew=is_anew)


def _mark(file: RegularFile) -> int:
    """Return a number that differs when a file was written anew, though it is as long as before.

    Its inode alone is given again to the next but one; and its first line changes, too, if lines
    were left out.
    """
    file.seek(0)
    first = file.read(_FIRST).partition(b"\n")[0]
    return zlib.crc32(first, os.fstat(file.fileno()).st_ino & 0xFFFFFFFF) % _MARKS


def last_progress(path: Path) -> Mapping[str, object] | None:
    """Return the last event `progress` in a file of events; `None` if there is none."""
    try:
        with RegularFile(path) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            data = file.read(_TAIL)
    except BadInputError:
        return None
    for line in reversed(data.splitlines()):
        event = event_of(line)
        if event.get("event") == "progress":
            return event
    return None


def event_of(line: bytes | str) -> Mapping[str, object]:
    """Return the event that a line says; empty if it says none."""
    with suppress(ValueError, RecursionError):
        event = json.loads(line)
        if isinstance(event, dict):
            return event
    return {}


def write_private(path: Path, data: bytes) -> None:
    """Write a file aside that nobody else may read: prompts and paths are nobody else's affair.

    Raises:
        BadInputError: something is there that no file can replace.
        OSError: the system's own error; what was there is as it was.
    """
    with open_aside(path) as handle, open(handle, "wb", closefd=False) as stream:
        os.fchmod(handle, 0o600)
        stream.write(data)


class LineFile:
    """A file that lines are added to; when it is too long, `shorten` says which lines remain.

    Of a disk that cannot be written no more is asked: what the lines say is not lost with them.
    """

    def __init__(self, path: Path, shorten: Callable[[list[bytes]], list[bytes]]) -> None:
        self._path, self._shorten = path, shorten
        self._size, self._limit = 0, LARGEST
        self._is_there = False
        with suppress(OSError, SdcoremlError):
            write_private(path, b"")
            self._is_there = True

    def add(self, line: bytes) -> None:
        """Add a line, which ends with a line feed."""
        if not self._is_there or self._size + len(line) > MOST:
            return
        with suppress(OSError, SdcoremlError):
            with self._path.open("ab", buffering=0) as stream:
                self._size += stream.write(line)
            if self._size > self._limit:
                self._write_anew()

    def _write_anew(self) -> None:
        with RegularFile(self._path) as file:
            lines = file.read().splitlines(keepends=True)
        text = b"".join(self._shorten(lines))
        write_private(self._path, text)
        self._size = len(text)
        self._limit = max(LARGEST, 2 * self._size)


def without_progress(lines: list[bytes]) -> list[bytes]:
    """Return lines of events, of which only the last says how far the run is."""
    told = [line for line in lines if event_of(line).get("event") != "progress"]
    return told + [line for line in lines if event_of(line).get("event") == "progress"][-1:]


def second_half(lines: list[bytes]) -> list[bytes]:
    """Return the later half of the lines."""
    return lines[len(lines) // 2 :]

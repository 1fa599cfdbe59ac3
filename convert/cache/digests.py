"""Remembers the SHA-256 of files, so that gigabytes that did not change are not read again.

A file is known by its device, inode, size and times: whoever writes to it changes its ctime, which
nobody can set back. The memory is one text file that is only appended to, a line for each file,
under a lock: a killed writer leaves at most half a line, which is none. So there is nothing to
repair, two processes write at once, and the newest line for a file counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from sdcoreml.ground import locks
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_text

_LINE = re.compile(r"(\d+ \d+ \d+ \d+ \d+) ([0-9a-f]{64})")
_MOST = 40_000
"""How many files are remembered when the memory is written anew: forty models in many variants."""

_ROOM = 2 * _MOST
"""How many lines it may have before that."""

_SETTLED = 100_000_000
"""Nanoseconds between a file's last change and its hash, if it is to be remembered.

A change within the same tick of the file system's clock would not show in the times.
"""

_COARSE = 3_000_000_000
"""The same where times are whole seconds, or two, as on FAT."""

_SECOND = 1_000_000_000

State: TypeAlias = str
"""What tells a file from others, and from itself after a change."""


class Digests:
    """The remembered digests, in the text file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[State, str] | None = None
        self._lines = 0
        self._size = 0

    def recall(self, path: Path) -> FileRecord | None:
        """Return the record of a file that did not change since it was hashed, else `None`."""
        try:
            state, size = _state_of(path)
        except OSError:
            return None
        known = self._load()
        if state not in known and self._has_grown():
            self._known = None
            known = self._load()
        return FileRecord(size=size, sha256=known[state]) if state in known else None

    def _has_grown(self) -> bool:
        """Whether another process has remembered more since we read the file."""
        try:
            return self._path.stat().st_size != self._size
        except OSError:
            return False

    def recall_all(self, files: Mapping[str, Path]) -> Mapping[str, FileRecord] | None:
        """Return the records of all the files by their names; `None` if one is not known."""
        found = {name: self.recall(path) for name, path in files.items()}
        known = {name: record for name, record in found.items() if record is not None}
        return known if len(known) == len(files) else None

    def remember(self, records: Mapping[Path, FileRecord], since: int) -> None:
        """Remember the records of files that were hashed or written.

        `since` is when that began, in nanoseconds: what changed later may have other bytes.
        """
        found = {}
        for path, record in records.items():
            with suppress(OSError):
                state, size = _state_of(path)
                if size == record.size and _is_settled(state, since):
                    found[state] = record.sha256
        self._remember(found)

    def remember_renamed(self, records: Mapping[Path | int, FileRecord]) -> None:
        """Remember files, or open ones, of which we have just made or removed a name, or a clone.

        That changed a time of theirs, and not their bytes, which were known before.
        """
        found = {}
        for place, record in records.items():
            with suppress(OSError):
                state, size = _state_of(place)
                if size == record.size:
                    found[state] = record.sha256
        self._remember(found)

    def _remember(self, found: Mapping[State, str]) -> None:
        known = self._load()
        new = {state: digest for state, digest in found.items() if known.get(state) != digest}
        if new:
            known.update(new)
            self._append("".join(f"{state} {digest}\n" for state, digest in new.items()))
            self._lines += len(new)

    def _append(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as stream:
            locks.lock(stream.fileno())
            if self._lines > _ROOM:
                self._shrink()
                return
            before = stream.seek(0, os.SEEK_END)
            # What a killed writer left is ended here: otherwise it would swallow our first line.
            stream.write(f"\n{text}".encode())
            if before == self._size:  # otherwise there is more to read than what is ours
                self._size = stream.tell()

    def _shrink(self) -> None:
        """Write the newest lines anew. What others append meanwhile is hashed once more."""
        newest = [*self._load().items()][-_MOST:]
        write_text(self._path, "".join(f"{state} {digest}\n" for state, digest in newest))
        self._lines, self._size = len(newest), self._path.stat().st_size

    def _load(self) -> dict[State, str]:
        if self._known is None:
            try:
                self._size = self._path.stat().st_size
                text = read_text(self._path, Document.RECORD)
            except (BadInputError, OSError):
                text = ""
            found = [match for line in text.split("\n") if (match := _LINE.fullmatch(line))]
            self._lines = len(found)
            self._known = {match[1]: match[2] for match in found}
        return self._known


def _state_of(place: Path | int) -> tuple[State, int]:
    one = os.fstat(place) if isinstance(place, int) else place.stat()
    times = f"{one.st_mtime_ns} {one.st_ctime_ns}"
    return f"{one.st_dev} {one.st_ino} {one.st_size} {times}", one.st_size


def _is_settled(state: State, since: int) -> bool:
    *_, modified, changed = map(int, state.split())
    is_coarse = not modified % _SECOND or not changed % _SECOND
    return since - max(modified, changed) > (_COARSE if is_coarse else _SETTLED)

"""The files of a queue's entries: which are there, what they say, and what belongs to them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.doctor.queue.entry import Entry, State, as_text, damaged, from_content
from sdcoreml.doctor.queue.order import write_text
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, NoSpaceError, SdcoremlError
from sdcoreml.ground.files import Document
from sdcoreml.ground.refusals import translate_os_errors

CANCELLED = "cancelled"
"""The ending of a mark: the entry is cancelled, whatever its file says. It needs no room."""

_ENTRY = re.compile(r"([1-9][0-9]{0,8})\.json")
_BELONGING = re.compile(rf"([1-9][0-9]{{0,8}})\.(toml|events|log|{CANCELLED})")


@dataclass(slots=True, kw_only=True)
class Entries:
    """The entries whose files are in `folder`. Whoever changes one has locked it."""

    folder: Path
    _kept: dict[str, tuple[tuple[int, int], Entry]] = field(default_factory=dict)

    def path(self, number: str, ending: str) -> Path:
        """Return the path of one of an entry's files."""
        return self.folder / f"{number}.{ending}"

    def find(self) -> dict[str, tuple[int, int]]:
        """Return the ids of all entries, each with the inode and change time of its file."""
        found = {}
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder) as files:
            for one in files:
                if match := _ENTRY.fullmatch(one.name):
                    with suppress(FileNotFoundError):
                        told = one.stat(follow_symlinks=False)
                        found[match[1]] = (told.st_ino, told.st_mtime_ns)
        return found

    def read(self, number: str, stamp: tuple[int, int]) -> Entry | None:
        """Return an entry; `None` if its file has gone meanwhile."""
        kept = self._kept.get(number)
        if not (kept and kept[0] == stamp):
            entry = self._read(number)
            if entry is None:
                return None
            self._kept[number] = kept = (stamp, entry)
        is_cancelled = not kept[1].state.is_over and os.path.lexists(self.path(number, CANCELLED))
        return replace(kept[1], state=State.CANCELLED) if is_cancelled else kept[1]

    def write(self, entry: Entry) -> None:
        """Write an entry's file."""
        write_text(self.path(entry.id, "json"), as_text(entry))
        with translate_os_errors(self.folder):
            self.path(entry.id, CANCELLED).unlink(missing_ok=True)

    def write_cancelled(self, entry: Entry) -> None:
        """Write the file of an entry that was cancelled; on a full disk, mark it at least."""
        try:
            self.write(entry)
        except NoSpaceError:
            if not mark(self.path(entry.id, CANCELLED), self.path(entry.id, "json")):
                raise

    def remove(self, *numbers: str) -> None:
        """Remove entries; what makes one an entry goes first, so that it cannot come back."""
        with translate_os_errors(self.folder):
            for number in numbers:
                self.path(number, "json").unlink(missing_ok=True)
            found = self.find()
            for path in (*self.folder.iterdir(),):  # also what a killed remover has left
                if (match := _BELONGING.fullmatch(path.name)) and match[1] not in found:
                    path.unlink(missing_ok=True)

    def _read(self, number: str) -> Entry | None:
        path = self.path(number, "json")
        try:
            return from_content(number, read_object(path, Document.RECORD))
        except (BadInputError, DecodeError) as error:
            if not os.path.lexists(path):
                return None
            what = error.what if isinstance(error, SdcoremlError) else str(error)
            return damaged(number, f"its file cannot be read: {what}")


def mark(path: Path, *others: Path) -> bool:
    """Make a file whose being there says all, on a full disk; return whether it is there now.

    A second name of one of the `others` needs nothing that could have run out. Where files have one
    name only, as on FAT, an empty one needs no more than the name, either.
    """
    for other in others:
        with suppress(OSError):
            os.link(other, path, follow_symlinks=False)
            return True
    with suppress(OSError):
        path.touch(0o600, exist_ok=False)
    return os.path.lexists(path)

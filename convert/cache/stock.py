"""Keeps the files of programs, so that they outlive the folders that they were made for.

    files/SHA256-SIZE/content

A file is named by its content, and whoever takes it compares the two. So nothing need be flushed or
repaired: what a kill or a power failure left is not found, or found to be damaged and removed. The
time of an entry's folder says when it was last used; that of the file would change what its digest
is remembered by.

What keeping costs: on a file system with clones (APFS, btrfs, XFS), nothing until the finished
folder is deleted. Elsewhere a weight file is a hard link, which costs nothing until then, either;
nobody writes to finished weights, and whoever did would be found out by the digest. A weight file
that can be neither, since the results are on another disk, is not kept, nor is its program: a copy
would take as much again, and as long, for what the model still gives. The other files are small,
and people look into them: without clones, they are copied.

What costs nothing at first does once a folder is deleted: its room is not free before the limit
pushes out what was kept. So there is one, and `SDCOREML_CACHE_LIMIT` sets it: a variable, since
each conversion has to keep to it, not an option of the command that tidies.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.cache.digests import Digests
from sdcoreml.convert.weights.clone import clone, copy, share
from sdcoreml.ground import locks
from sdcoreml.ground.aside import scratch_folder
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.errors import UsageError

VARIABLE = "SDCOREML_CACHE_LIMIT"
USUAL = 10_000_000_000
"""How many bytes are kept unless the variable says otherwise: what suits a laptop."""

SMALL = 32_000_000
"""Longer files are weights, which are never copied, in bytes."""

_CONTENT = "content"
_NAME = re.compile(r"([0-9a-f]{64})-(\d+)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(TB|GB|MB|kB|)", re.IGNORECASE)
_UNITS = {"": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}


def limit_of_stock() -> int:
    """Return how many bytes may be kept: what the variable says, else `USUAL`.

    Raises:
        UsageError: it says no size.
    """
    said = os.environ.get(VARIABLE)
    if not said:
        return USUAL
    found = _SIZE.fullmatch(said.strip())
    size = float(found[1]) * _UNITS[found[2].lower()] if found else math.inf
    if math.isinf(size):
        remedy = f"set it to a size as `20 GB`, to 0 to keep none, or unset it ({USUAL:,} bytes)"
        raise UsageError(f"{said!r} is no size", where=VARIABLE, remedy=remedy)
    return int(size)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that is kept: its path, what it was, and when it was last used, in nanoseconds."""

    path: Path
    content: FileRecord
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The files that are kept in `folder`, of at most `limit` bytes altogether.

    `digests` are told of them: to link a file, or to remove a link, changes a time of it.
    """

    folder: Path
    digests: Digests
    limit: int = USUAL

    def path_of(self, content: FileRecord) -> Path:
        """Return where a file with this content is, if it is kept."""
        return self._entry(content) / _CONTENT

    def keep(self, files: Mapping[Path, FileRecord]) -> None:
        """Keep files that nobody will write to, and whose content is known to be as recorded.

        Keep all of them, or none, since nobody takes a program of which a file is missing. Those
        that were used longest ago leave if there are too many bytes.

        Raises:
            OSError: the disk is full, or cannot be written. What is kept is sound.
            SdcoremlError: a file changed while it was copied.
        """
        wanted = {one: path for path, one in files.items()}
        if sum(one.size for one in wanted) > self.limit:
            wanted = {}
        new = {one: path for one, path in wanted.items() if not self.path_of(one).exists()}
        for content in wanted.keys() - new.keys():
            self.touch(content)
        if new:
            self._add(new)
        self.trim()  # even if nothing is new: the limit may have become lower

    def _add(self, new: Mapping[FileRecord, Path]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        kept: dict[Path | int, FileRecord] = {}
        with scratch_folder(self.folder / "new") as aside:
            parts = {content: aside / self._entry(content).name for content in new}
            for content, part in sorted(parts.items(), key=lambda one: -one[0].size):
                part.mkdir()
                if not _put(new[content], part / _CONTENT, content.size):
                    return
            for content, part in parts.items():
                if _rename(part, self._entry(content)):
                    kept[self.path_of(content)] = content
        self.digests.remember_renamed(kept)

    def touch(self, content: FileRecord) -> None:
        """Note that a file was used."""
        with suppress(OSError):  # it has left, or the disk cannot be written
            os.utime(self._entry(content))

    def remember(self, contents: Iterable[FileRecord]) -> None:
        """Remember kept files, of which another name has just been removed."""
        with suppress(OSError):  # nothing can be written: they will be hashed once more
            self.digests.remember_renamed({self.path_of(one): one for one in contents})

    def remove(self, content: FileRecord) -> None:
        """Remove a file. Others that it is linked to stay, and stay known."""
        path = self.path_of(content)
        is_known = self.digests.recall(path) == content
        handle = None
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        shutil.rmtree(path.parent, ignore_errors=True)
        if handle is not None:
            if is_known and os.fstat(handle).st_nlink:
                self.digests.remember_renamed({handle: content})
            os.close(handle)

    def entries(self) -> tuple[KeptFile, ...]:
        """List what is kept, the file first that was used longest ago."""
        found = []
        for entry in self.folder.glob("*-*"):
            if name := _NAME.fullmatch(entry.name):
                with suppress(OSError):  # it has left meanwhile
                    content = FileRecord(size=int(name[2]), sha256=name[1])
                    used = entry.stat().st_mtime_ns
                    found.append(KeptFile(path=entry / _CONTENT, content=content, used=used))
        return tuple(sorted(found, key=lambda one: (one.used, one.path)))

    def trim(self) -> tuple[Path, ...]:
        """Remove what is cut short, and what was used longest ago above the limit; return paths.

        If another process does so at the moment, nothing is removed.
        """
        gone: list[Path] = []
        if not self.folder.is_dir():
            return ()
        lock = self.folder.with_name("locks") / self.folder.name
        lock.parent.mkdir(exist_ok=True)
        with locks.try_lock_file(lock) as is_free:
            if not is_free:
                return ()
            entries = self.entries()
            over = sum(one.content.size for one in entries) - self.limit
            for one in entries:
                is_whole = one.path.is_file() and one.path.stat().st_size == one.content.size
                if over > 0 or not is_whole:
                    self.remove(one.content)
                    gone.append(one.path)
                    over -= one.content.size
        return tuple(gone)

    def _entry(self, content: FileRecord) -> Path:
        return self.folder / f"{content.sha256}-{content.size}"


def _put(source: Path, target: Path, size: int) -> bool:
    """Put a file at `target`, which is new; return whether that was possible."""
    if size > SMALL:
        return share(source, target)
    if not clone(source, target):
        copy(source, target)
    return True


def _rename(part: Path, entry: Path) -> bool:
    """Give a new entry its name; return false if another process has kept the same meanwhile."""
    try:
        part.rename(entry)
    except OSError:
        if not entry.exists():
            raise
        return False
    return True

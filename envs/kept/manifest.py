"""The manifest of an environment, and its seal: a digest of the files that the lock determines.

The manifest is a text file, one line per entry, tab-separated: kind, mode, digest, size, mtime,
owner, path. The seal is the SHA-256 of its lines without modes and times, and without entries that
differ between machines: files with the interpreter's path, bytecode, folders. So it is equal
wherever and whenever the toolchain is rebuilt. The record has a second digest, of the whole text.
Hashes are computed, never taken from a wheel's RECORD: some wheels ship a wrong one.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from pathlib import Path

from sdcoreml.envs.kept.owners import PATCHED, owners_of
from sdcoreml.envs.kept.runs import runs_of
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.digest import sha256
from sdcoreml.ground.errors import BadInputError, BrokenError
from sdcoreml.ground.files import Document, read_bytes

SEALED = "sealed"
"""The folder in an environment for its record, locks and manifest."""
FILE = "files.tsv"
BENEATH = "python.tsv"
"""The manifest of the environment's Python: see `envs.kept.beneath`."""
RECORD = "record.json"
OWN = tuple(f"{SEALED}/{name}" for name in (FILE, BENEATH, RECORD))
"""The manifests and the record, which the manifest cannot list."""
MACHINE = "(machine)"
"""The owner of files that contain the interpreter's path; the seal excludes them."""
GENERATED = "(generated)"
"""The owner of files that the build wrote, rather than a package."""
PLAIN, RUNNABLE = 0o644, 0o755
"""The modes that a build sets: 0644 for files, 0755 for programs and folders."""
_OF_MACHINE = re.compile(r"pyvenv\.cfg|bin/python[0-9.]*")


class EntryKind(Enum):
    """The kind of a manifest entry."""

    FILE = "file"
    PROGRAM = "program"
    LINK = "link"
    FOLDER = "folder"
    OTHER = "device or pipe"
    """A kind that is found but never sealed."""
    ABSENT = "absence"
    """The kind of an entry for a path that must not exist, since Python would read it."""


KINDS = {kind.value: kind for kind in EntryKind}
"""The kinds by their names in a manifest."""
Row = list[str]
"""The fields of a manifest's line as text: kind, mode, digest, size, mtime, owner, path."""
_COLUMNS = 7
_FOLDER = EntryKind.FOLDER.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One file or link of an environment; `path` is relative to the environment, with `/`.

    `mode` has its permission bits, 0 for a link; `digest` is the SHA-256 of a file's bytes, or a
    link's target; `mtime` is in nanoseconds; `owner` is the project that installed it.
    """

    kind: EntryKind
    mode: int
    digest: str
    size: int
    mtime: int
    owner: str
    path: str

    @property
    def is_bytecode(self) -> bool:
        """True for bytecode, which Python writes from a source that is listed too."""
        return is_bytecode(self.path)


Found = tuple[str, EntryKind, os.stat_result]


def scan(folder: Path) -> Iterator[Found]:
    """Yield every path of an environment: relative path, kind, lstat; in no order."""
    for path, status in walk(folder).items():
        yield path, kind_of(status), status


def walk(folder: Path) -> dict[str, os.stat_result]:
    """Map every path of an environment, relative to it, to its lstat; unsorted."""
    found: dict[str, os.stat_result] = {}
    pending, base = [""], os.fspath(folder)
    while pending:
        inside = pending.pop()
        with os.scandir(f"{base}/{inside}") as items:
            for item in items:
                path = f"{inside}{item.name}"
                found[path] = item.stat(follow_symlinks=False)
                if item.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/")
    return found


def kind_of(status: os.stat_result) -> EntryKind:
    """Return the kind of a path by its status."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return EntryKind.PROGRAM if mode & 0o100 else EntryKind.FILE
    if stat.S_ISLNK(mode):
        return EntryKind.LINK
    return EntryKind.FOLDER if stat.S_ISDIR(mode) else EntryKind.OTHER


def mode_of(kind: EntryKind, status: os.stat_result) -> int:
    """Return the permission bits to compare: 0 for a link, no setgid bit for a folder."""
    if kind is EntryKind.LINK:
        return 0
    return status.st_mode & (0o5777 if kind is EntryKind.FOLDER else 0o7777)


def take(
    folder: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> tuple[ManifestEntry, ...]:
    """Make a manifest of what is in `folder` now, sorted by path; hashes on all cores.

    `progress` is called with the number of bytes hashed so far and the total.
    """
    owners = owners_of(folder)
    found = sorted(one for one in scan(folder) if one[0] not in OWN)  # no path is there twice
    if unruly := [path for path, *_ in found if "\n" in path]:
        raise BrokenError(f"has a file name with a line break in it: {unruly[0]!r}", where=folder)

    def entry(item: Found) -> ManifestEntry:
        path, *_ = item
        of_machine = path not in owners and _OF_MACHINE.fullmatch(path)
        owner = MACHINE if of_machine else owners.get(path, GENERATED)
        return describe(folder, item, owner)

    # It brings logging, which fast checks do not need.
    from concurrent.futures import ThreadPoolExecutor

    entries: list[ManifestEntry] = []
    hashed, total = 0, sum(_size(kind, status) for _, kind, status in found)
    runs = list(runs_of(found, lambda item: _size(*item[1:])))
    with ThreadPoolExecutor() as pool:
        for made in chain.from_iterable(pool.map(lambda run: list(map(entry, run)), runs)):
            entries.append(made)
            hashed += made.size
            progress(hashed, total)
    return tuple(entries)


def describe(folder: Path, found: Found, owner: str) -> ManifestEntry:
    """Make the entry of a path from its present state, hashing its bytes."""
    path, kind, status = found
    return ManifestEntry(
        kind=kind,
        mode=mode_of(kind, status),
        digest=digest_of(folder / path, kind),
        size=_size(kind, status),
        mtime=0 if kind is EntryKind.FOLDER else status.st_mtime_ns,
        owner=owner,
        path=path,
    )


def _size(kind: EntryKind, status: os.stat_result) -> int:
    return status.st_size if kind in (EntryKind.FILE, EntryKind.PROGRAM) else 0


def digest_of(path: Path, kind: EntryKind) -> str:
    """Return the SHA-256 of a file in hexadecimal, or the target of a link; "" for a folder.

    Raises:
        BadInputError: the path cannot be read, or is not a regular file.
        OSError: reading failed.
    """
    if kind is EntryKind.LINK:
        return str(path.readlink())
    return "" if kind is EntryKind.FOLDER else sha256(path)


def seal_of(entries: Iterable[ManifestEntry], facts: Mapping[str, str]) -> str:
    """Compute an environment's seal from `facts` (lock, target, Python) and every entry."""
    return seal_of_rows(map(to_row, entries), facts)


def seal_of_rows(rows: Iterable[Row], facts: Mapping[str, str]) -> str:
    """Compute the seal like `seal_of`, from rows of the manifest."""
    lines = [f"{key}\t{facts[key]}\n" for key in sorted(facts)]
    lines += [
        f"{kind}\t{digest}\t{size}\t{owner}\t{path}\n"
        for kind, _, digest, size, _, owner, path in rows
        if owner != MACHINE
        and kind != _FOLDER
        and not is_bytecode(path)
        and not owner.endswith(PATCHED)
    ]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def is_bytecode(path: str) -> bool:
    """Return True if the path is bytecode in a `__pycache__` folder."""
    return path.endswith(".pyc") and "__pycache__/" in path


def to_row(entry: ManifestEntry) -> Row:
    """Convert an entry to a row of the manifest."""
    e = entry
    return [e.kind.value, f"{e.mode:o}", e.digest, str(e.size), str(e.mtime), e.owner, e.path]


def to_entry(row: Row) -> ManifestEntry:
    """Convert a row to an entry; raise `ValueError` or `KeyError` if it is invalid."""
    kind, mode, digest, size, mtime, owner, path = row
    return ManifestEntry(
        kind=KINDS[kind],
        mode=int(mode, 8),
        digest=digest,
        size=int(size),
        mtime=int(mtime),
        owner=owner,
        path=path,
    )


def write(entries: Iterable[ManifestEntry], folder: Path, name: str = FILE) -> None:
    """Write the manifest of the environment in `folder`, and flush it to disk."""
    lines = ("\t".join(to_row(entry)) + "\n" for entry in entries)
    write_text(folder / SEALED / name, "".join(lines))
    (folder / SEALED / name).chmod(PLAIN)


def read(folder: Path, name: str = FILE) -> tuple[ManifestEntry, ...]:
    """Read the manifest of the environment in `folder`; raises as `read_rows` does."""
    return tuple([to_entry(row) for row in read_rows(folder, name)])


def read_rows(folder: Path, name: str = FILE) -> list[Row]:
    """Read the manifest of the environment in `folder` as rows of text.

    Raises:
        BrokenError: the manifest is missing or cannot be read.
    """
    path = folder / SEALED / name
    try:
        text = read_bytes(path, Document.MANIFEST).decode("utf-8", "surrogateescape")
        rows = [line.split("\t", _COLUMNS - 1) for line in text.split("\n")[:-1]]
        for row in rows:
            _require_row(row)
    except (BadInputError, ValueError, KeyError) as error:
        why = error.what if isinstance(error, BadInputError) else error
        raise BrokenError(
            f"not a manifest ({why})",
            where=path,
            remedy="`sdcoreml env build --fresh` makes the environment again",
        ) from None
    return rows


def digest(folder: Path) -> str:
    """Compute the digest of an environment's two manifests, which is in its record.

    Raises:
        BadInputError: a manifest cannot be read.
    """
    whole = hashlib.sha256()
    for name in (FILE, BENEATH):
        whole.update(f"{sha256(folder / SEALED / name)}\n".encode())
    return whole.hexdigest()


def _require_row(row: Row) -> None:
    if len(row) != _COLUMNS or row[0] not in KINDS:
        raise ValueError(f"{row[:1]} is not an entry")
    if not (row[1].isdigit() and row[3].isdigit() and row[4].lstrip("-").isdigit()):
        raise ValueError(f"no numbers for {row[6]!r}")

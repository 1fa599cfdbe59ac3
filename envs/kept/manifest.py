"""The manifest of an environment: every file with its hash, and the seal over all of them.

The manifest is a text file, one line an entry, tab-separated: kind, digest, size, mtime, owner,
path. The seal is the SHA-256 of the same lines without the times and without the few entries that
name this machine's interpreter: so it is equal wherever and whenever the toolchain is rebuilt.
A wheel's own RECORD is not trusted for any of this: some wheels ship a wrong one.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sdcoreml.envs.kept import conda_meta
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.digest import sha256
from sdcoreml.ground.errors import BadInputError, BrokenError
from sdcoreml.ground.files import Document, read_bytes
from sdcoreml.ground.names import normalise

SEALED = "sealed"
"""The folder in an environment for its record, lock and manifest; not itself in the manifest."""
FILE = "manifest.tsv"
MACHINE = "(machine)"
"""The owner of files that name this machine's interpreter, which the seal leaves out."""
PATCHED = ", patched"
"""The suffix of the owner of a conda package's file that contains the environment's path. The seal
leaves these out, too: it covers the package's hash, which determines them otherwise.
"""
CONDA = "conda:"
"""The prefix of a conda package as an owner, since a Python project may have the same name."""
GENERATED = "(generated)"
"""The owner of files that the build itself wrote."""
_OF_MACHINE = re.compile(r"pyvenv\.cfg|bin/python[0-9.]*")


class EntryKind(Enum):
    """The kind of a path."""

    FILE = "file"
    PROGRAM = "program"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One path of an environment, relative to it, with `/`.

    `digest` is the SHA-256 of a file's bytes, or a link's target; `mtime` is in nanoseconds;
    `owner` is the project that brought it.
    """

    kind: EntryKind
    digest: str
    size: int
    mtime: int
    owner: str
    path: str


def scan(folder: Path) -> Iterator[tuple[str, EntryKind, os.stat_result]]:
    """Yield every file and link of an environment: relative path, kind, lstat; in no order."""
    pending = [""]
    while pending:
        inside = pending.pop()
        with os.scandir(folder / inside) as found:
            for item in found:
                path = f"{inside}{item.name}"
                if item.is_symlink():
                    yield path, EntryKind.LINK, item.stat(follow_symlinks=False)
                elif item.is_dir(follow_symlinks=False):
                    if path != SEALED:
                        pending.append(f"{path}/")
                else:
                    status = item.stat(follow_symlinks=False)
                    yield (
                        path,
                        EntryKind.PROGRAM if status.st_mode & 0o100 else EntryKind.FILE,
                        status,
                    )


def take(
    folder: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> tuple[ManifestEntry, ...]:
    """The manifest of what is in `folder` now, sorted by path; hashed on all cores.

    `progress` is told the bytes hashed so far, and of all.
    """
    owners = owners_of(folder)
    found = sorted(scan(folder))
    if unruly := [path for path, *_ in found if "\n" in path]:
        raise BrokenError(f"a file name with a line break in it: {unruly[0]!r}", where=folder)

    def entry(item: tuple[str, EntryKind, os.stat_result]) -> ManifestEntry:
        path, kind, status = item
        of_machine = path not in owners and _OF_MACHINE.fullmatch(path)
        owner = MACHINE if of_machine else owners.get(path, GENERATED)
        return ManifestEntry(
            kind=kind,
            digest=digest_of(folder / path, kind),
            size=0 if kind is EntryKind.LINK else status.st_size,
            mtime=status.st_mtime_ns,
            owner=owner,
            path=path,
        )

    entries: list[ManifestEntry] = []
    hashed, total = (
        0,
        sum(status.st_size for _, kind, status in found if kind is not EntryKind.LINK),
    )
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for made in pool.map(entry, found):
            entries.append(made)
            hashed += made.size
            progress(hashed, total)
    return tuple(entries)


def digest_of(path: Path, kind: EntryKind) -> str:
    """SHA-256 of a file in hexadecimal, or the target of a link."""
    if kind is EntryKind.LINK:
        return str(path.readlink())
    return sha256(path)


def seal_of(entries: Iterable[ManifestEntry], facts: Mapping[str, str]) -> str:
    """The one digest of an environment: `facts` (lock, target, Python) and every entry."""
    digest = hashlib.sha256()
    for key in sorted(facts):
        digest.update(f"{key}\t{facts[key]}\n".encode())
    for entry in entries:
        if entry.owner != MACHINE and not entry.owner.endswith(PATCHED):
            line = f"{entry.kind.value}\t{entry.digest}\t{entry.size}\t{entry.owner}\t{entry.path}"
            digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def write(entries: Iterable[ManifestEntry], folder: Path) -> None:
    """Write the manifest of the environment in `folder`, and flush it to disk."""
    lines = (
        f"{e.kind.value}\t{e.digest}\t{e.size}\t{e.mtime}\t{e.owner}\t{e.path}\n" for e in entries
    )
    write_text(folder / SEALED / FILE, "".join(lines))


def read(folder: Path) -> tuple[ManifestEntry, ...]:
    """Read the manifest of the environment in `folder`.

    Raises:
        BrokenError: it is missing or not readable as one.
    """
    path = folder / SEALED / FILE
    try:
        text = read_bytes(path, Document.MANIFEST).decode("utf-8", "surrogateescape")
        return tuple(_entry(line) for line in text.split("\n")[:-1])
    except (BadInputError, ValueError) as error:
        why = error.what if isinstance(error, BadInputError) else error
        raise BrokenError(
            f"not a manifest ({why})",
            where=path,
            remedy="`sdcoreml env build --fresh` makes the environment again",
        ) from None


def owners_of(folder: Path) -> dict[str, str]:
    """Which project each path belongs to: conda's records before RECORD; bytecode as its source."""
    owners: dict[str, str] = {}
    for record in sorted((folder / "lib").glob("python*/site-packages/*.dist-info/RECORD")):
        base = record.parent.parent
        name = project_of(record.parent)
        for row in read_record(record):
            path = os.path.relpath(base / row[0], folder)
            owners[path] = name
            if path.endswith(".py"):
                owners[_bytecode_path(path, base.parent.name)] = name
    return owners | _owners_by_conda(folder)


def _owners_by_conda(folder: Path) -> dict[str, str]:
    """Which conda package each path belongs to; empty where there is no conda."""
    owners: dict[str, str] = {}
    for path, record in conda_meta.records(folder):
        owners[os.path.relpath(path, folder)] = f"{CONDA}{record['name']}{PATCHED}"
    for laid in conda_meta.list_files(folder):
        owner = f"{CONDA}{laid.package}"
        owners[laid.path] = f"{owner}{PATCHED}" if laid.patched else owner
        if laid.path.endswith(".py") and laid.path.startswith("lib/python"):
            owners[_bytecode_path(laid.path, laid.path.split("/")[1])] = owners[laid.path]
    return owners


def _bytecode_path(source: str, python: str) -> str:
    """Where the bytecode of a source goes; `python` is such as `python3.10`."""
    parent, _, stem = source.rpartition("/")
    tag = f"cpython-{python.removeprefix('python').replace('.', '')}"
    return f"{parent}/__pycache__/{stem[:-3]}.{tag}.pyc"


def project_of(dist_info: Path) -> str:
    """The normalised project name of a `.dist-info` folder."""
    return normalise(dist_info.name.partition("-")[0])


def read_record(record: Path) -> list[list[str]]:
    """The rows of a RECORD file: path, hash or "", size or ""."""
    text = read_bytes(record, Document.RECORD).decode("utf-8", "surrogateescape")
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def _entry(line: str) -> ManifestEntry:
    kind, digest, size, mtime, owner, path = line.split("\t", 5)
    return ManifestEntry(
        kind=EntryKind(kind),
        digest=digest,
        size=int(size),
        mtime=int(mtime),
        owner=owner,
        path=path,
    )

"""Computes the SHA-256 of files and folders for manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.blocks import new_block
from sdcoreml.ground.crew import at_work
from sdcoreml.ground.files import RegularFile
from sdcoreml.ground.labour import Labour, hashing, tell
from sdcoreml.ground.tree import walk

_CHUNK = 1 << 20
_SMALL = 1 << 16
"""Shorter files are read at once: mapping a buffer for each of a Python's 7,000 files took as long
as hashing them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """A file's size in bytes and its SHA-256 in hexadecimal, as a manifest records them."""

    size: int
    sha256: str


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal, using constant memory.

    Raises:
        BadInputError: `path` is not a regular file, or cannot be read.
    """
    digest = hashlib.sha256()
    with RegularFile(path) as stream:
        while start := stream.read(_SMALL):
            digest.update(start)
            if len(start) == _SMALL:
                break
        else:
            return digest.hexdigest()
        buffer = new_block(_CHUNK)
        while size := stream.readinto(buffer):
            digest.update(buffer[:size])
    return digest.hexdigest()


def describe(files: Mapping[str, Path]) -> Mapping[str, FileRecord]:
    """Map each name in `files` to the size and SHA-256 of its file; uses all cores."""
    # It brings logging, which the doctor, who hashes nothing by default, does not need.
    from concurrent.futures import ThreadPoolExecutor

    contents = {_content(path): path for path in files.values()}
    with ThreadPoolExecutor() as pool:  # hashing releases the interpreter's lock
        digests = dict(zip(contents, pool.map(sha256, contents.values()), strict=True))
    size = sum(path.stat().st_size for path in contents.values())
    tell(at_work().emit, Labour.HASH, hashing(size))
    return {
        name: FileRecord(size=path.stat().st_size, sha256=digests[_content(path)])
        for name, path in files.items()
    }


def find_changed(files: Mapping[str, Path], recorded: Mapping[str, FileRecord]) -> frozenset[str]:
    """Return the names in `files` whose file differs from its record.

    A file of the wrong size is not hashed: a sparse file can be a terabyte long.
    """
    same_size = {
        name: path for name, path in files.items() if path.stat().st_size == recorded[name].size
    }
    actual = describe(same_size)
    return frozenset(name for name in files if actual.get(name) != recorded[name])


def _content(path: Path) -> tuple[int, int]:
    """Return the file's device and inode: hard links share them and are hashed only once."""
    status = path.stat()
    return status.st_dev, status.st_ino


def named_below(folder: Path) -> Mapping[str, Path]:
    """Map the path below a folder of every file in it to that file, sorted."""
    return {path.relative_to(folder).as_posix(): path for path in files_below(folder)}


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted."""
    found = (Path(place, name) for place, _, names in walk(folder) for name in names)
    return sorted(path for path in found if path.is_file())

"""Computes the SHA-256 of files and folders for manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """What a manifest records of a file: its size in bytes and its hexadecimal SHA-256."""

    size: int
    sha256: str


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, in constant memory."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    with path.open("rb", buffering=0) as stream:
        while size := stream.readinto(buffer):
            digest.update(memoryview(buffer)[:size])
    return digest.hexdigest()


def describe_files(paths: Iterable[Path], base: Path) -> Mapping[str, FileRecord]:
    """Size and SHA-256 of each file by its path below `base`, in order, on all cores."""
    return describe({path.relative_to(base).as_posix(): path for path in sorted(paths)})


def describe(files: Mapping[str, Path]) -> Mapping[str, FileRecord]:
    """Size and SHA-256 of files by the names that they are given here, on all cores."""
    contents = {_content(path): path for path in files.values()}
    with ThreadPoolExecutor() as pool:  # hashing releases the interpreter's lock
        digests = dict(zip(contents, pool.map(sha256, contents.values()), strict=True))
    return {
        name: FileRecord(size=path.stat().st_size, sha256=digests[_content(path)])
        for name, path in files.items()
    }


def _content(path: Path) -> tuple[int, int]:
    """The device and inode that hard links share, so that a file is hashed only once."""
    status = path.stat()
    return status.st_dev, status.st_ino


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())

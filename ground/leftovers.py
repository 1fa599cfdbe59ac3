"""Finds what killed runs left: unlocked hidden files and folders with our token in their names.

A part is locked while its maker lives. Nothing without the token is ever touched: a person's own
`.out.old` or `.x.part` is theirs.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdcoreml.ground import locks

TOKEN = "sdcoreml"  # noqa: S105  no secret: it says whose a file is
_LONGEST = 200
"""The bytes of a target's name that a hidden name repeats, since names have at most 255."""

_PART = re.compile(rf"\..+\.{TOKEN}-([a-z0-9_]{{8}}\.part|lock)", re.DOTALL)
_FRESH = 60
"""Seconds for which a lock file is left alone: its maker may be about to lock it."""


def hidden(target: Path, what: str) -> Path:
    """A hidden name next to `target`."""
    return target.with_name(f"{prefix(target)}{what}")


def prefix(target: Path) -> str:
    """The beginning of hidden names for `target`, with at most part of a long name."""
    name = os.fsencode(target.name)[:_LONGEST]
    return f".{os.fsdecode(name)}.{TOKEN}-"


def sweep(folder: Path) -> tuple[Path, ...]:
    """Remove what killed runs left in a folder, and give its names."""
    gone = []
    for part in _parts(folder):
        with _unheld(part) as is_left:
            if is_left and part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            elif is_left:
                part.unlink(missing_ok=True)
            gone += [part] if is_left else []
    return tuple(gone)


def find_leftovers(folder: Path) -> tuple[Path, ...]:
    """What `sweep` would remove: hidden parts with our token that no process has locked."""
    found = []
    for part in _parts(folder):
        with _unheld(part) as is_left:
            found += [part] if is_left else []
    return tuple(found)


def _parts(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            ours = [Path(entry.path) for entry in entries if _PART.fullmatch(entry.name)]
        return [path for path in ours if path.suffix == ".part" or _is_old(path)]
    except OSError:
        return []


def _is_old(lock: Path) -> bool:
    return time.time() - lock.lstat().st_mtime > _FRESH


@contextmanager
def _unheld(part: Path) -> Iterator[bool]:
    """Lock a part, if no process has locked it; returns whether that worked."""
    try:
        handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield False
        return
    try:
        yield locks.try_lock(handle)
    finally:
        os.close(handle)

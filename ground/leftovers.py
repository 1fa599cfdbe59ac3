"""Finds the leftovers of killed runs: unlocked hidden files and folders named with our token.

A running process holds a lock on each of its temporary files. Nothing without the token in its name
is ever touched, such as a user's own `.out.old` or `.x.part`.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdcoreml.ground import locks

TOKEN = "sdcoreml"  # noqa: S105  no secret: it says whose a file is
BUILDING = f".{TOKEN}-"
"""The prefix of the names of unfinished environments, Pythons and conda engines."""

_LONGEST = 200
"""How many bytes of a target's name its hidden name repeats; a file name has at most 255."""

_PART = re.compile(rf"\..+\.{TOKEN}-([a-z0-9_]{{8}}\.part|lock)", re.DOTALL)
_FRESH = 60
"""Seconds before an unlocked lock file counts as a leftover: its maker may yet lock it."""


def hidden_path(target: Path, what: str) -> Path:
    """Return a hidden path beside `target`, with our token and `what` in its name."""
    return target.with_name(f"{prefix(target)}{what}")


def prefix(target: Path) -> str:
    """Return what hidden names for `target` begin with; a long name is cut."""
    name = os.fsencode(target.name)[:_LONGEST]
    return f".{os.fsdecode(name)}.{TOKEN}-"


def sweep(folder: Path) -> tuple[Path, ...]:
    """Remove what killed runs left in a folder, and return the removed paths.

    What cannot be removed, as on a disk that cannot be written, stays: it is in nobody's way.
    """
    gone = []
    for part in _parts(folder):
        with suppress(OSError), _lock_if_free(part) as is_left:
            if is_left and part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            elif is_left:
                part.unlink(missing_ok=True)
            gone += [part] if is_left and not os.path.lexists(part) else []
    return tuple(gone)


def find_leftovers(folder: Path) -> tuple[Path, ...]:
    """Return what `sweep` would remove: hidden files with our token that no process has locked."""
    found = []
    for part in _parts(folder):
        with _lock_if_free(part) as is_left:
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
def _lock_if_free(part: Path) -> Iterator[bool]:
    """Lock a hidden file unless another process holds the lock; yield whether we hold it."""
    try:
        handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield False
        return
    try:
        yield locks.try_lock(handle)
    finally:
        os.close(handle)

"""Memory that processes of one user have promised themselves, so that two do not count on the same.

Each promise is a file that is locked while it holds; the file says how many bytes it is for. What a
killed process has left is removed by whoever looks next.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdcoreml.ground import locks

_DIGITS = 32


def usual_place() -> Path:
    """Return the folder of this user's promises on this machine."""
    return Path(tempfile.gettempdir()) / f"sdcoreml-promises-{os.getuid()}"


@contextmanager
def promise(nbytes: int, place: Path) -> Iterator[None]:
    """Promise this process so many bytes while the block runs; without a place, do without."""
    handle = None
    path = place / f"{os.getpid()}"
    with suppress(OSError):
        place.mkdir(mode=0o700, exist_ok=True)
        if _is_ours(place):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            locks.lock(handle)
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(nbytes).encode(), 0)
    try:
        yield
    finally:
        if handle is not None:
            with suppress(OSError):
                path.unlink()
            os.close(handle)


def promised_to_others(place: Path, used: Callable[[int], int]) -> int:
    """Return the bytes that other processes have promised themselves and do not use yet.

    `used` tells how many bytes a process and its children use now, by its id.
    """
    if not _is_ours(place):
        return 0
    mine = str(os.getpid())
    return sum(
        max(0, said - used(int(path.name)))
        for path in place.iterdir()
        if path.name.isdecimal() and path.name != mine and (said := _read(path))
    )


def memory_of_tree(pid: int) -> int:
    """Return the bytes of memory that a process and all its children use; 0 if there is none."""
    import psutil

    total = 0
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):  # it has ended meanwhile
                total += one.memory_info().rss
    return total


def _read(path: Path) -> int:
    """Return what a promise is for; 0 if nobody holds it any more: then remove it."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return 0
    try:
        if locks.try_lock(handle):
            path.unlink(missing_ok=True)
            return 0
        said = os.pread(handle, _DIGITS, 0)
        return int(said) if said.isdigit() else 0
    finally:
        os.close(handle)


def _is_ours(place: Path) -> bool:
    """Whether the folder is there and this user's: somebody else may have made one of its name."""
    try:
        return place.is_dir() and not place.is_symlink() and place.stat().st_uid == os.getuid()
    except OSError:
        return False

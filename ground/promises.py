"""Memory that processes of one user have promised themselves, so that two do not count on the same.

Each promise is a file that is locked while it holds; it says whose it is and how many bytes it is
for. Its name is nobody else's: two containers may share the folder, and count their processes
alike. What a killed process has left is removed by whoever looks next.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sdcoreml.ground import locks

_SUFFIX = ".promise"
_LONGEST = 64
_OURS: set[str] = set()
"""The names of this process's own promises."""


def usual_place() -> Path:
    """Return the folder of this user's promises on this machine."""
    return Path(tempfile.gettempdir()) / f"sdcoreml-promises-{os.getuid()}"


@contextmanager
def promise(nbytes: int, place: Path) -> Iterator[None]:
    """Promise this process so many bytes while the block runs; without a place, do without."""
    with ExitStack() as held:
        with suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
            if _is_ours(place):
                _write(nbytes, place, held)
        yield


@contextmanager
def sole_promiser(place: Path) -> Iterator[None]:
    """Keep others from promising while the block looks and promises; without a place, do without.

    Otherwise two could see the same free memory before either promises itself some.
    """
    with ExitStack() as held:
        with suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
            if _is_ours(place):
                handle = os.open(place, os.O_RDONLY)
                held.callback(os.close, handle)
                locks.lock(handle)
        yield


def _write(nbytes: int, place: Path, held: ExitStack) -> None:
    """Write a promise that holds until `held` is closed.

    A reader that comes before the lock takes the file for a killed process's and removes it. Then
    there is another try.
    """
    while True:
        handle, path = tempfile.mkstemp(suffix=_SUFFIX, dir=place)
        if locks.try_lock(handle) and os.fstat(handle).st_nlink:
            break
        os.close(handle)
    held.callback(os.close, handle)
    held.callback(_remove, Path(path))
    _OURS.add(Path(path).name)
    os.pwrite(handle, f"{os.getpid()} {nbytes}".encode(), 0)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
    _OURS.discard(path.name)


def promised_to_others(place: Path, used: Callable[[int], int]) -> int:
    """Return the bytes that other processes have promised themselves and do not use yet.

    `used` tells how many bytes a process and its children use now, by its id.
    """
    if not _is_ours(place):
        return 0
    said = (_read(path) for path in place.glob(f"*{_SUFFIX}") if path.name not in _OURS)
    return sum(max(0, one[1] - used(one[0])) for one in said if one)


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


def _read(path: Path) -> tuple[int, int] | None:
    """Return the process of a promise, and the bytes; `None` if nobody holds it: then remove it."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        if locks.try_lock(handle):
            path.unlink(missing_ok=True)
            return None
        said = re.fullmatch(rb"(\d+) (\d+)", os.pread(handle, _LONGEST, 0))
        return (int(said[1]), int(said[2])) if said else None
    finally:
        os.close(handle)


def _is_ours(place: Path) -> bool:
    """Whether the folder is there and this user's: somebody else may have made one of its name."""
    try:
        return place.is_dir() and not place.is_symlink() and place.stat().st_uid == os.getuid()
    except OSError:
        return False

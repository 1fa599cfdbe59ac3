"""File locks, which keep processes apart and show whether one was killed.

A lock is `flock` on an open file or folder. The system releases it when the last descriptor is
closed, however its holder ends. A child that inherits the descriptor holds the lock too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST_PID = 32


def lock(handle: int) -> None:
    """Lock an open file or folder, waiting for whoever holds it."""
    fcntl.flock(handle, fcntl.LOCK_EX)


def try_lock(handle: int) -> bool:
    """Lock an open file or folder; False at once when somebody else holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def lock_file(path: Path, notice: Callable[[str], None]) -> Iterator[int]:
    """Hold the lock file `path` while the block runs; give its descriptor, for children to inherit.

    The file stays. If another process holds it, `notice` is told that process's id, then we wait.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not try_lock(handle):
            notice(os.pread(handle, _LONGEST_PID, 0).decode(errors="replace") or "?")
            lock(handle)
        os.truncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def try_lock_file(path: Path) -> Iterator[bool]:
    """Hold the lock file `path` while the block runs, then remove it.

    The block gets False, and no lock, when somebody else holds it.
    """
    handle = _open_locked(path)
    if handle is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _open_locked(path: Path) -> int | None:
    """Open and lock a file that others may remove; None when somebody else holds it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not try_lock(handle):
            os.close(handle)
            return None
        # Its last holder may have removed it after we opened it: that lock keeps nobody out.
        if path.exists() and path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
        os.close(handle)

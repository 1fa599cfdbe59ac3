"""File locks: they keep two processes apart, and show whether a file's writer still runs.

A lock is `flock` on an open file or folder. The system releases it when the last descriptor is
closed, even if the process is killed. A child that inherits the descriptor holds the lock too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST_PID = 32


def lock(handle: int) -> None:
    """Lock an open file or folder, waiting while another process holds the lock."""
    fcntl.flock(handle, fcntl.LOCK_EX)


def share(handle: int) -> None:
    """Take a shared lock on an open file or folder, waiting while it is locked exclusively."""
    fcntl.flock(handle, fcntl.LOCK_SH)


def try_lock(handle: int) -> bool:
    """Lock an open file or folder; return False at once if another process holds the lock."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def try_share(handle: int) -> bool:
    """Take a shared lock; return False at once if another process holds an exclusive one."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Lock a file that is there, and that nobody else locks, while the block runs."""
    handle = os.open(path, os.O_RDWR)
    try:
        lock(handle)
        yield
    finally:
        os.close(handle)


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Lock a folder while the block runs; it gets no file."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        lock(handle)
        yield
    finally:
        os.close(handle)


@contextmanager
def lock_file(path: Path, notice: Callable[[str], None]) -> Iterator[int]:
    """Lock the file `path` while the block runs; yield its descriptor, for children to inherit.

    The file is kept. If another process holds the lock, `notice` is called with the id of that
    process (or "?"), and we wait.
    """
    handle = _wait_locked(path, notice)
    try:
        os.truncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def try_lock_file(path: Path) -> Iterator[bool]:
    """Lock the file `path` while the block runs, then remove it.

    If another process holds the lock, the block runs without it and gets False.
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


def _wait_locked(path: Path, notice: Callable[[str], None]) -> int:
    """Open and lock a file that others may remove, waiting while another process holds the lock."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not try_lock(handle):
                notice(os.pread(handle, _LONGEST_PID, 0).decode(errors="replace") or "?")
                lock(handle)
            if _is_there(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _open_locked(path: Path) -> int | None:
    """Open and lock a file that others may remove; None if another process holds the lock."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not try_lock(handle):
            os.close(handle)
            return None
        if _is_there(path, handle):
            return handle
        os.close(handle)


def _is_there(path: Path, handle: int) -> bool:
    """Whether a file that was locked still has its path.

    Its last holder may have removed it after we opened it: that lock keeps nobody out.
    """
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False

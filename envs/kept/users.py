"""Protects environments in use: every user shares a lock on the folder, so nobody removes it.

The folder itself is locked: that needs only permission to read it, and writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdcoreml.ground import locks


@contextmanager
def use(folder: Path) -> Iterator[tuple[int, ...]]:
    """Mark the environment in `folder` as used while the block runs.

    Yields the descriptors that hold the lock: a child that inherits them is a user as well, even
    after its parent ends. There are none if the folder is gone; starting its Python then fails.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield ()
        return
    try:
        with suppress(OSError):  # a file system without locks
            locks.share(handle)
        yield (handle,)
    finally:
        os.close(handle)


def is_used(folder: Path) -> bool:
    """Return True if a running process uses the environment in `folder`."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not locks.try_lock(handle)
    except OSError:
        return False
    finally:
        os.close(handle)

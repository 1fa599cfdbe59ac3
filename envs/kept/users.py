"""Knows who uses an environment: they share a lock on its folder, so that nobody removes it.

The lock is of the folder itself: who may read an environment can use it, and nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdcoreml.ground import locks


@contextmanager
def use(folder: Path) -> Iterator[tuple[int, ...]]:
    """Be a user of the environment in `folder` while the block runs.

    Gives the descriptors that hold the lock: a child that inherits them is a user as well, however
    its parent ends. Empty when the folder is gone, which whoever starts its Python reports.
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
    """Whether a running process uses the environment in `folder`."""
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

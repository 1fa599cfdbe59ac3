"""Bytes from one file to another, by the cheapest way that this system and these disks allow."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

BLOCK = 1 << 18
"""Bytes per read where data passes through this process: small enough to stay in the cache."""

PORTION = 64 << 20
"""Bytes per call where it does not: a signal or a progress bar waits this long at most."""

# Refusals that mean "not between these files", not "the disk is broken".
_UNFIT = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)


class ShortReadError(OSError):
    """A source file ended before the bytes that its header promised."""


def _copy_in_kernel(source: int, start: int, target: int, position: int, count: int) -> int:
    return os.copy_file_range(source, target, count, start, position)


def _send_in_kernel(source: int, start: int, target: int, position: int, count: int) -> int:
    os.lseek(target, position, os.SEEK_SET)
    return os.sendfile(target, source, start, count)


def _copy_by_hand(source: int, start: int, target: int, position: int, count: int) -> int:
    block = os.pread(source, min(count, BLOCK), start)
    write_at(target, block, position)
    return len(block)


_WAYS: tuple[Callable[[int, int, int, int, int], int], ...] = (
    *((_copy_in_kernel,) if hasattr(os, "copy_file_range") else ()),
    _send_in_kernel,
    _copy_by_hand,
)


class Transfer:
    """Copies ranges, and remembers which ways these files refused."""

    def __init__(self, ways: tuple[Callable[[int, int, int, int, int], int], ...] = _WAYS) -> None:
        self._ways = list(ways)

    def copy(
        self, source: int, start: int, target: int, position: int, count: int
    ) -> Iterator[int]:
        """Copy `count` bytes at `start` of `source` to `position` of `target`.

        Yields the bytes of each step once it is done.

        Raises:
            ShortReadError: `source` ends early.
        """
        while count:
            try:
                done = self._ways[0](source, start, target, position, min(count, PORTION))
            except OSError as error:
                if error.errno not in _UNFIT or len(self._ways) == 1:
                    raise
                del self._ways[0]
                continue
            if not done:
                raise ShortReadError
            yield done
            start, position, count = start + done, position + done, count - done


def read_blocks(source: int, start: int, count: int) -> Iterator[memoryview]:
    """`count` bytes at `start`, in blocks that are only valid until the next one.

    Raises:
        ShortReadError: `source` ends early.
    """
    buffer = memoryview(bytearray(min(BLOCK, count)))
    while count:
        wanted = buffer[: min(BLOCK, count)]
        done = os.preadv(source, [wanted], start)
        if done != len(wanted):
            raise ShortReadError
        yield wanted
        start, count = start + done, count - done


def write_at(target: int, data: bytes | memoryview, position: int) -> None:
    """Write all of `data` at `position`."""
    rest = memoryview(data)
    while rest:
        done = os.pwrite(target, rest, position)
        rest, position = rest[done:], position + done

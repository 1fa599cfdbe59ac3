"""Copies bytes from one file to another in blocks.

Plain reads and writes take less CPU time than copy_file_range or sendfile between the same files
(measured on ext4: 0.94 s for 3.4 GB against 1.05 and 1.23): those move a pipe's few pages at a
time, while a large block becomes a large page of the file system's cache. Sharing blocks would be
cheaper still, but the header shifts every tensor off the required block boundaries.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import cycle

from sdcoreml.ground.blocks import new_block

BLOCK = 1 << 19
"""Bytes per read: enough to make calls cheap, few enough to fit the processor's cache."""


class ShortReadError(OSError):
    """Raised if a source file ends before the bytes that its header promised."""


def new_buffers(count: int) -> Iterator[memoryview]:
    """Return an endless iterator over `count` buffers of one block each, repeated in turn."""
    return cycle([new_block(BLOCK) for _ in range(count)])


def read_blocks(
    source: int, start: int, count: int, buffers: Iterator[memoryview] | None = None
) -> Iterator[memoryview]:
    """Yield `count` bytes at `start`, in blocks of at most `BLOCK` bytes.

    Each block is read into the next of `buffers`; with one buffer (the default), a block is only
    valid until the next one.

    Raises:
        ShortReadError: `source` ends early.
    """
    buffers = buffers or new_buffers(1)
    while count:
        wanted = next(buffers)[: min(BLOCK, count)]
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


def copy_file(source: int, target: int) -> None:
    """Copy all of `source` to the empty `target`."""
    position = 0
    for block in read_blocks(source, 0, os.fstat(source).st_size):
        write_at(target, block, position)
        position += len(block)

"""A sparse file of which only the two ends are there: enough to say what a model is.

Safetensors say all in their header. A file of PyTorch says it in the directory at its end and in a
pickle near its beginning; but before each tensor is a header of its own, in the middle. Where these
are to come yet, ones that agree with the directory stand in for them. Nothing else is made up, and
the whole file, which is judged again, takes this one's place.
"""

from __future__ import annotations

import os
from pathlib import Path

from sdcoreml.convert.weights.torch_zip import ALIGNMENT
from sdcoreml.convert.weights.zip_directory import list_headers, local_header

MOST_HEADERS = 20_000
"""The most tensors of a file: each header takes a block of the disk."""

_ZIP = b"PK\x03\x04"


def write_sketch(path: Path, size: int, head: memoryview, tail: memoryview) -> None:
    """Write a file of this size anew that has both ends, and a hole between them."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, 0o600)
    try:
        os.ftruncate(handle, size)
        write_all(handle, head, 0)
        write_all(handle, tail, size - len(tail))
        hole = range(len(head), size - len(tail))
        if not hole:
            os.fsync(handle)  # this is all of the file
        elif head[:4] == _ZIP:
            _write_headers(handle, path, hole)
    finally:
        os.close(handle)


def _write_headers(handle: int, path: Path, hole: range) -> None:
    """Write of each header what is in the hole: what has come stays as it is."""
    for listed in list_headers(path)[:MOST_HEADERS]:
        header = local_header(listed, ALIGNMENT)
        first = max(listed.offset, hole.start)
        last = min(listed.offset + len(header), hole.stop)
        if first < last:
            write_all(handle, header[first - listed.offset : last - listed.offset], first)


def write_all(handle: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write all bytes at an offset, however many the system takes at once."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(handle, rest, offset)
        rest, offset = rest[written:], offset + written

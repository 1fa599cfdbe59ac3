from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdcoreml.convert.weights.transfer import (
    BLOCK,
    ShortReadError,
    copy_file,
    new_buffers,
    read_blocks,
    write_at,
)

DATA = bytes(range(256)) * (BLOCK // 128 + 3)


@contextmanager
def files(folder: Path) -> Iterator[tuple[int, int]]:
    (folder / "in").write_bytes(DATA)
    source = os.open(folder / "in", os.O_RDONLY)
    target = os.open(folder / "out", os.O_RDWR | os.O_CREAT)
    yield source, target
    os.close(source)
    os.close(target)


def test_a_file_is_copied_whole(tmp_path: Path) -> None:
    with files(tmp_path) as (source, target):
        copy_file(source, target)
    assert (tmp_path / "out").read_bytes() == DATA


def test_data_is_written_where_it_belongs(tmp_path: Path) -> None:
    with files(tmp_path) as (_, target):
        write_at(target, memoryview(b"tail"), 4)
        write_at(target, b"head", 0)
    assert (tmp_path / "out").read_bytes() == b"headtail"


def test_an_early_end_is_told(tmp_path: Path) -> None:
    with files(tmp_path) as (source, _), pytest.raises(ShortReadError):
        list(read_blocks(source, 10, len(DATA)))


def test_blocks_are_the_range(tmp_path: Path) -> None:
    with files(tmp_path) as (source, _):
        blocks = [bytes(block) for block in read_blocks(source, 3, len(DATA) - 3)]
        assert list(read_blocks(source, 0, 0)) == []
    assert b"".join(blocks) == DATA[3:]
    assert max(map(len, blocks)) == BLOCK


def test_with_two_buffers_a_block_outlives_the_next_across_ranges(tmp_path: Path) -> None:
    """A digest may still read the last block of one range while the next range is being read."""
    with files(tmp_path) as (source, _):
        buffers = new_buffers(2)
        last = memoryview(b"")
        for start, count in ((0, 5), (5, 0), (5, 7), (12, BLOCK + 1)):
            before = bytes(last)
            for block in read_blocks(source, start, count, buffers):
                assert bytes(last) == before
                last, before = block, bytes(block)

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from convert.weights.transfer import _WAYS, BLOCK, ShortReadError, Transfer, read_blocks, write_at

DATA = bytes(range(256)) * (BLOCK // 128 + 3)


@contextmanager
def files(folder: Path) -> Iterator[tuple[int, int]]:
    (folder / "in").write_bytes(DATA)
    source = os.open(folder / "in", os.O_RDONLY)
    target = os.open(folder / "out", os.O_RDWR | os.O_CREAT)
    yield source, target
    os.close(source)
    os.close(target)


def refuse(*_: int) -> int:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def break_down(*_: int) -> int:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("way", range(len(_WAYS)))
def test_every_way_copies_the_range(tmp_path: Path, way: int) -> None:
    with files(tmp_path) as (source, target):
        write_at(target, b"head", 0)
        done = list(Transfer(_WAYS[way:]).copy(source, 5, target, 4, len(DATA) - 9))
    assert sum(done) == len(DATA) - 9
    assert (tmp_path / "out").read_bytes() == b"head" + DATA[5:-4]


def test_a_refused_way_is_not_tried_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def count_and_refuse(*args: int) -> int:
        calls.append(1)
        return refuse(*args)

    transfer = Transfer((count_and_refuse, *_WAYS))
    with files(tmp_path) as (source, target):
        for at in (0, 10):
            assert list(transfer.copy(source, at, target, at, 10)) == [10]
    assert (tmp_path / "out").read_bytes() == DATA[:20]
    assert calls == [1]


def test_a_broken_disk_is_not_taken_for_a_refusal(tmp_path: Path) -> None:
    with files(tmp_path) as (source, target), pytest.raises(OSError, match="Input/output"):
        list(Transfer((break_down, *_WAYS)).copy(source, 0, target, 0, 1))


def test_the_last_way_has_no_fallback(tmp_path: Path) -> None:
    with files(tmp_path) as (source, target), pytest.raises(OSError, match="cross-device"):
        list(Transfer((refuse,)).copy(source, 0, target, 0, 1))


def test_an_early_end_is_told(tmp_path: Path) -> None:
    with files(tmp_path) as (source, target):
        with pytest.raises(ShortReadError):
            list(Transfer().copy(source, 10, target, 0, len(DATA)))
        with pytest.raises(ShortReadError):
            list(read_blocks(source, 10, len(DATA)))


def test_blocks_are_the_range(tmp_path: Path) -> None:
    with files(tmp_path) as (source, _):
        blocks = [bytes(block) for block in read_blocks(source, 3, len(DATA) - 3)]
        assert list(read_blocks(source, 0, 0)) == []
    assert b"".join(blocks) == DATA[3:]
    assert max(map(len, blocks)) == BLOCK

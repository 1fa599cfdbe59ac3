"""Tests `ground.blocks`."""

from __future__ import annotations

import mmap

import numpy as np

from sdcoreml.ground.blocks import new_block


def test_a_block_is_writable_zeros_at_the_start_of_a_page() -> None:
    block = new_block(100_000)
    assert (len(block), block.readonly, bytes(block[:3])) == (100_000, False, bytes(3))
    assert np.frombuffer(block, "u1").ctypes.data % mmap.PAGESIZE == 0

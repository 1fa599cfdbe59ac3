"""Tests `convert.weights.bits`."""

from __future__ import annotations

import numpy as np
import pytest

from sdcoreml.convert.weights.bits import largest_bits

INFINITE = {"<f2": 0x7C00, "<f4": 0x7F800000, "<f8": 0x7FF0000000000000}


@pytest.mark.parametrize("dtype", INFINITE)
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_not_finite_has_the_largest_bits(dtype: str, sign: int) -> None:
    largest = np.finfo(dtype).max
    sound = np.array([0.5, -2, sign * largest, 0], dtype)
    assert largest_bits(sound) == INFINITE[dtype] - 1
    for number in (np.inf, np.nan):
        spoilt = np.copysign(np.array([0.5, number, -2], dtype), sign)
        assert largest_bits(spoilt) >= INFINITE[dtype]


def test_bits_are_taken_as_they_are() -> None:
    assert largest_bits(np.array([0x8001, 3], "<u2")) == 3
    assert largest_bits(np.array([0x80 | 0x7C], "<u1")) == 0x7C
    assert largest_bits(np.zeros(0, "<u4")) == 0

"""Histograms, palette codes, and their packing for Core ML."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.compression.palette import (
    BITS,
    code_table,
    error,
    histogram,
    pack,
    uniform,
)
from sdcoreml.ground.errors import BadInputError


def test_a_histogram_counts_bit_patterns_over_blocks() -> None:
    counted = histogram([np.array([2, -1, 2], np.float16), np.array([0.5], np.float16)])
    assert counted.values.tolist() == [-1, 0.5, 2]
    assert counted.counts.tolist() == [1, 1, 2]


@pytest.mark.parametrize("sizes", [(100,), (70_000,), (100, 70_000), (1_100_000, 3)], ids=str)
def test_few_and_many_elements_are_counted_alike(sizes: tuple[int, ...]) -> None:
    generator = np.random.default_rng(1)
    blocks = [generator.standard_normal(size).astype(np.float16) for size in sizes]
    counted = histogram(blocks)
    values, counts = np.unique(np.concatenate(blocks), return_counts=True)
    assert counted.values.tolist() == values.tolist()
    assert counted.counts.tolist() == counts.tolist()


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_weight_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(BadInputError, match="conv_in: holds infinities or NaN"):
        histogram([np.array([1, bad], np.float16)], "conv_in")


def test_every_bit_pattern_finds_its_nearest_entry() -> None:
    palette = np.array([-1, 0, 0.5, 4], np.float16)
    codes = code_table(palette)
    for value, code in [(-7, 0), (-0.6, 0), (-0.4, 1), (0.2, 1), (0.3, 2), (2.2, 2), (2.3, 3)]:
        assert codes[np.array([value], np.float16).view(np.uint16)[0]] == code


@given(
    st.lists(st.floats(width=16, allow_nan=False), min_size=1, max_size=40),
    st.lists(st.floats(width=16, allow_nan=False, allow_infinity=False), min_size=8, max_size=8),
)
def test_no_entry_is_nearer_than_that_of_the_table(
    numbers: list[float], entries: list[float]
) -> None:
    palette, values = np.sort(np.array(entries, np.float16)), np.array(numbers, np.float16)
    codes = code_table(palette)[values.view("u2")]
    for value, code in zip(values.astype(float), codes, strict=True):
        away = np.abs(palette.astype(float) - value)
        assert away[code] == away.min()


def test_a_number_in_the_middle_is_the_lower_entrys() -> None:
    table = code_table(np.array([-1, 1, 1, 3], np.float16))
    assert table[np.array([0, 2, -0.0], np.float16).view("u2")].tolist() == [0, 2, 0]


def test_equal_steps_reach_from_the_least_to_the_largest() -> None:
    data = histogram([np.array([-1, 0.1, 0.2, 5], np.float16)])
    assert uniform(data, 4).tolist() == [-1, 1, 3, 5]


def test_the_error_counts_every_element() -> None:
    data = histogram([np.array([0, 0.25, 0.25, 2], np.float16)])
    assert error(data, np.array([0, 1], np.float16)) == 0.0625 * 2 + 1


@given(st.sampled_from(BITS), st.lists(st.integers(0, 255), max_size=40))
def test_packed_codes_are_a_stream_of_bits_lowest_first(bits: int, codes: list[int]) -> None:
    wanted = [code % (1 << bits) for code in codes]
    packed = pack(np.array(wanted, np.uint8), bits)
    assert packed.size == -(-len(codes) * bits // 8)
    assert packed.flags.c_contiguous  # it is written as it lies in memory
    stream = np.unpackbits(packed, bitorder="little")[: len(codes) * bits].reshape(-1, bits)
    assert [int((row << np.arange(bits)).sum()) for row in stream] == wanted


def test_blocks_of_whole_bytes_may_be_packed_one_by_one() -> None:
    codes = np.arange(64, dtype=np.uint8)
    for bits in BITS:
        some = codes & ((1 << bits) - 1)
        parts = [pack(part, bits) for part in np.split(some, 8)]
        assert list(itertools.chain(*parts)) == pack(some, bits).tolist()

"""Palettes: as good as the best one, exact where they can be, packed as Core ML reads them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.errors import BadInputError
from convert.palette import (
    BITS,
    Histogram,
    cluster,
    code_table,
    error,
    histogram,
    nearest,
    pack,
    uniform,
)


def normal(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(count) * 0.02).astype(np.float16)


def best_error(data: Histogram, size: int) -> float:
    """The least error of any `size` real numbers, by dynamic programming over all partitions."""
    weights = np.concatenate(([0], np.cumsum(data.counts)))
    sums = np.concatenate(([0], np.cumsum(data.counts * data.values)))
    squares = np.concatenate(([0], np.cumsum(data.counts * data.values**2)))
    count = data.values.size
    begin, end = np.meshgrid(np.arange(count + 1), np.arange(count + 1), indexing="ij")
    weight = np.maximum(weights[end] - weights[begin], 1e-300)
    cost = squares[end] - squares[begin] - (sums[end] - sums[begin]) ** 2 / weight
    cost[begin > end] = np.inf
    best = cost[0]
    for _ in range(size - 1):
        best = (best[:, None] + cost).min(axis=0)
    return float(best[count])


def test_a_histogram_counts_bit_patterns_over_blocks() -> None:
    counted = histogram([np.array([2, -1, 2], np.float16), np.array([0.5], np.float16)])
    assert counted.values.tolist() == [-1, 0.5, 2]
    assert counted.counts.tolist() == [1, 1, 2]


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_weight_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(BadInputError, match="conv_in: holds infinities or NaN"):
        histogram([np.array([1, bad], np.float16)], "conv_in")


@pytest.mark.parametrize("size", [2, 4, 8, 16])
@pytest.mark.parametrize("seed", range(3))
def test_clusters_of_bell_shaped_weights_are_the_best_there_are(size: int, seed: int) -> None:
    data = histogram([(normal(4000, seed).astype(np.float32).round(3)).astype(np.float16)])
    assert data.values.size < 200
    assert error(data, cluster(data, size)) <= 1.001 * best_error(data, size)


@pytest.mark.parametrize("size", [4, 8, 16, 64])
@pytest.mark.parametrize("heavy", [False, True])
def test_of_many_values_too_no_partition_is_better(size: int, *, heavy: bool) -> None:
    generator = np.random.default_rng(5)
    numbers = generator.standard_t(4, 20_000) if heavy else generator.standard_normal(20_000)
    data = histogram([(np.round(numbers * 300) / 2048).astype(np.float16)])
    assert data.values.size > 1000
    rounding = 1.0002  # of the palette's own entries to float16
    assert error(data, cluster(data, size)) <= rounding * best_error(data, size)


@pytest.mark.parametrize("size", [16, 64, 256])
def test_clusters_are_better_than_equal_steps(size: int) -> None:
    data = histogram([normal(200_000)])
    assert error(data, cluster(data, size)) < 0.75 * error(data, uniform(data, size))


def test_few_values_are_kept_exactly() -> None:
    data = histogram([np.array([1, -3, 0.25, 1, 1], np.float16)])
    assert cluster(data, 4).tolist() == [-3, 0.25, 1, 1]
    assert error(data, cluster(data, 4)) == 0


def test_one_value_alone() -> None:
    data = histogram([np.zeros(5000, np.float16)])
    assert cluster(data, 2).tolist() == [0, 0]
    assert uniform(data, 4).tolist() == [0, 0, 0, 0]


def test_an_outlier_does_not_leave_entries_unused() -> None:
    core = histogram([normal(50_000)])
    data = histogram([np.append(normal(50_000), np.float16(8))])
    palette = cluster(data, 64)
    assert palette[-1] == 8
    assert error(data, palette) < 1.2 * error(core, cluster(core, 64))


@settings(deadline=None)
@given(
    st.lists(st.floats(-100, 100, width=16), min_size=1, max_size=60),
    st.sampled_from([2, 4, 16, 64]),
)
def test_a_palette_is_ascending_within_the_data_and_no_worse_than_the_mean(
    values: list[float], size: int
) -> None:
    data = histogram([np.array(values, np.float16)])
    palette = cluster(data, size)
    assert palette.dtype == np.float16
    assert palette.shape == (size,)
    assert (np.diff(palette.astype(np.float32)) >= 0).all()
    assert data.values[0] <= palette[0]
    assert palette[-1] <= data.values[-1]
    assert error(data, palette) <= error(data, np.full(1, np.mean(values), np.float16)) + 1e-2


def test_every_bit_pattern_finds_its_nearest_entry() -> None:
    palette = np.array([-1, 0, 0.5, 4], np.float16)
    codes = code_table(palette)
    for value, code in [(-7, 0), (-0.6, 0), (-0.4, 1), (0.2, 1), (0.3, 2), (2.2, 2), (2.3, 3)]:
        assert codes[np.array([value], np.float16).view(np.uint16)[0]] == code


@given(
    st.lists(st.floats(width=16, allow_nan=False), min_size=1, max_size=40),
    st.lists(st.floats(width=16, allow_nan=False, allow_infinity=False), min_size=8, max_size=8),
)
def test_numbers_and_their_bit_patterns_have_the_same_nearest_entry(
    numbers: list[float], entries: list[float]
) -> None:
    palette, values = np.sort(np.array(entries, np.float16)), np.array(numbers, np.float16)
    assert nearest(palette, values).tolist() == code_table(palette)[values.view("u2")].tolist()


@given(st.sampled_from(BITS), st.lists(st.integers(0, 255), max_size=40))
def test_packed_codes_are_a_stream_of_bits_lowest_first(bits: int, codes: list[int]) -> None:
    wanted = [code % (1 << bits) for code in codes]
    packed = pack(np.array(wanted, np.uint8), bits)
    assert packed.size == -(-len(codes) * bits // 8)
    stream = np.unpackbits(packed, bitorder="little")[: len(codes) * bits].reshape(-1, bits)
    assert [int((row << np.arange(bits)).sum()) for row in stream] == wanted


def test_blocks_of_whole_bytes_may_be_packed_one_by_one() -> None:
    codes = np.arange(64, dtype=np.uint8)
    for bits in BITS:
        some = codes & ((1 << bits) - 1)
        parts = [pack(part, bits) for part in np.split(some, 8)]
        assert list(itertools.chain(*parts)) == pack(some, bits).tolist()

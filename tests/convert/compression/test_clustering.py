"""k-means finds palettes with nearly the least possible error, singly and in batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcoreml.convert.compression.clustering import (
    LEAST_CELLS,
    STACKED,
    cluster,
    clusters,
)
from sdcoreml.convert.compression.palette import (
    Histogram,
    error,
    histogram,
    uniform,
)


def normal(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(count) * 0.02).astype(np.float16)


def allowed(size: int) -> float:
    """Return the allowed ratio of a palette's error to the least, as entries have only 11 bits."""
    return 1 + 2.5e-7 * size**2 + 2e-5


def best_error(data: Histogram, size: int) -> float:
    """Compute the least error of any palette of `size` numbers, by dynamic programming."""
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


@pytest.mark.parametrize("size", [2, 4, 8, 16])
@pytest.mark.parametrize("seed", range(3))
def test_clusters_of_bell_shaped_weights_are_the_best_there_are(size: int, seed: int) -> None:
    data = histogram([(normal(4000, seed).astype(np.float32).round(3)).astype(np.float16)])
    assert data.values.size < 200
    assert error(data, cluster(data, size)) <= allowed(size) * best_error(data, size)


DRAWN: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "normal": lambda draw: draw.standard_normal(20_000),
    "heavy": lambda draw: draw.standard_t(4, 20_000),
    "heaviest": lambda draw: np.clip(draw.standard_t(2, 20_000), -9, 9),
    "flat": lambda draw: draw.uniform(-2, 2, 20_000),
    "skewed": lambda draw: draw.exponential(size=20_000),
    "two": lambda draw: np.append(draw.normal(-3, 0.1, 9000), draw.normal(1, 0.8, 11_000)),
    "islands": lambda draw: np.concatenate([draw.normal(m, 0.1, 900) for m in range(-9, 9)]),
    "outlier": lambda draw: np.append(draw.standard_normal(20_000), 40),
    "scaled": lambda draw: (
        draw.standard_normal((16, 1250)) * draw.lognormal(size=(16, 1)).clip(0, 4)
    ).reshape(-1),
}
"""Distributions of numbers for which the best palettes differ."""


def rounded(numbers: np.ndarray) -> Histogram:
    """Return a histogram with slightly too many distinct numbers to be clustered exactly."""
    scaled = numbers / np.abs(numbers).max()
    tried = (
        histogram([(np.round(scaled * steps) / steps).astype(np.float16)])
        for steps in (512, 1024, 2048, 4096, 8192)
    )
    return next(data for data in tried if data.values.size > LEAST_CELLS)


@pytest.mark.parametrize("size", [2, 4, 8, 16, 64])
@pytest.mark.parametrize("name", DRAWN)
def test_of_many_values_too_no_partition_is_better(name: str, size: int) -> None:
    data = rounded(DRAWN[name](np.random.default_rng(5)))
    assert error(data, cluster(data, size)) <= allowed(size) * best_error(data, size)


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


def groups(count: int) -> list[Histogram]:
    """Return histograms of different spreads and sizes, some of them small."""
    sizes = (20, 600, 3000, 5000, 20_000)
    drawn = (normal(sizes[seed % len(sizes)], seed) for seed in range(count))
    return [histogram([numbers * np.float16(1 + seed)]) for seed, numbers in enumerate(drawn)]


@pytest.mark.parametrize("size", [4, 16])
def test_neighbours_do_not_matter(size: int) -> None:
    data = groups(2 * STACKED + 3)
    found = list(clusters(data, size))
    assert len(found) == len(data)
    for item, palette in zip(data, found, strict=True):
        alone = error(item, cluster(item, size))
        assert error(item, palette) == pytest.approx(alone, rel=1e-4)


def test_few_histograms_are_asked_for_at_a_time() -> None:
    data = iter(groups(2 * STACKED))
    next(clusters(data, 4))
    assert len(list(data)) == STACKED


def test_no_histograms_have_no_palettes() -> None:
    assert list(clusters([], 16)) == []

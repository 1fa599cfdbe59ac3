"""Numbers of a weight are read in blocks, and what their compressed form misses is added up."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from sdcoreml.convert.proof import tally
from sdcoreml.convert.proof.tally import Numbers, Tally, pieces

INF = math.inf


def numbers(
    values: Sequence[float], dtype: type[np.float16 | np.float32] = np.float16
) -> tuple[Numbers, list[int]]:
    read: list[int] = []
    return Numbers(np.array(values, np.float32), dtype, read.append), read


def test_a_block_is_rounded_to_the_weight_s_type_and_counted_as_it_is_stored() -> None:
    found, read = numbers([1.0001, -2.0, 1e6, 0.5])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        block = found.block(0, 3)
        wide = found.wide_block(1, 4)
    assert (block.dtype.char, block.tolist()) == ("e", [1.0, -2.0, INF])
    assert (wide.dtype.char, wide.tolist()) == ("f", [-2.0, INF, 0.5])
    assert read == [12, 12]
    exact, _ = numbers([1.0001], np.float32)
    assert exact.block(0, 1)[0] == np.float32(1.0001)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    ("values", "span"),
    [
        ([1.0, -2.0, 3.0, -0.5, 0.0], (-2.0, 3.0)),
        ([-1.0, -2.0, -3.0], (-3.0, -1.0)),
        ([3.0, 1.0, 2.0], (1.0, 3.0)),
        ([0.0, 2.0], (0.0, 2.0)),
        ([-2.0, 0.0], (-2.0, 0.0)),
        ([5.0], (5.0, 5.0)),
        ([], (-INF, INF)),
        ([1.0, INF], (-INF, INF)),
        ([-INF, 1.0], (-INF, INF)),
        ([1.0, math.nan, 2.0], (-INF, INF)),
        ([-1.0, -math.nan, -2.0], (-INF, INF)),
    ],
)
def test_the_span_is_that_of_all_numbers_or_there_is_none(
    values: Sequence[float],
    span: tuple[float, float],
    dtype: type[np.float16 | np.float32],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert numbers(values, dtype)[0].span() == span
    monkeypatch.setattr(tally, "BLOCK", 2)
    assert numbers(values, dtype)[0].span() == span


def test_a_range_is_cut_into_pieces_of_whole_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "BLOCK", 12)
    assert [*pieces(0, 30)] == [(0, 12), (12, 24), (24, 30)]
    assert [*pieces(3, 10, 5)] == [(3, 5), (5, 7), (7, 9), (9, 10)]
    assert [*pieces(0, 2, 100)] == [(0, 1), (1, 2)]
    assert [*pieces(4, 4)] == []


def singles(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_code_may_be_four_times_as_far_as_the_nearest_and_the_slack_more() -> None:
    near = singles(0.25, 0.25, 0.0)
    exact = Tally(slack=0.5)
    exact.add(singles(0.0, 0.0, 0.0), near, near)
    assert (exact.wrong, exact.is_nearest, exact.squares) == (0, True, 0.125)
    at_most = Tally(slack=0.5)
    at_most.add(singles(0.0, 0.0, 0.0), singles(1.5, -1.5, 0.5), near)
    assert (at_most.wrong, at_most.is_nearest, at_most.squares) == (0, False, 4.75)
    at_most.add(singles(0.0), singles(1.75), singles(0.25))
    assert (at_most.wrong, at_most.squares) == (1, 4.75 + 3.0625)
    at_most.add(singles(0.0, 0.0), singles(math.nan, 0.25), singles(0.25, 0.25))
    assert at_most.wrong == 2


def test_what_is_not_the_nearest_is_corrected() -> None:
    found = Tally(slack=0.0)
    found.add_nearest(np.array([0.25, 0.5]))
    assert (found.squares, found.is_nearest) == (0.75, True)
    found.correct(singles(0.0), singles(1.0), singles(0.5))
    assert (found.squares, found.wrong, found.is_nearest) == (0.75 + 1.0 - 0.25, 0, False)


def test_what_has_no_table_is_all_wrong() -> None:
    found = Tally(slack=0.0)
    found.refuse(3)
    found.refuse(2)
    assert (found.wrong, found.is_nearest) == (5, False)

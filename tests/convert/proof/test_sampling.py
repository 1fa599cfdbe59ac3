"""Samples of outputs: few numbers, the same ones every time, from everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from sdcoreml.convert.proof.answers import MOST, Answers
from sdcoreml.convert.proof.decibels import IDENTICAL
from sdcoreml.convert.proof.sampling import compare, digest_of, record, sample
from sdcoreml.ground.errors import ParityError

FEEDS = [{"x": np.zeros((1, 2), np.float32)}, {"x": np.ones((1, 2), np.float32)}]


def recorded(*outputs: np.ndarray) -> Answers:
    found = record(7, FEEDS[: len(outputs)], [{"y": one} for one in outputs])
    assert found is not None
    return found


def test_a_small_output_is_recorded_whole() -> None:
    found = recorded(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]]))
    assert (found.seed, found.runs) == (7, 2)
    assert found.numbers("y") == ((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))


def test_a_large_one_is_sampled_in_every_row_and_column() -> None:
    rows, columns = np.divmod(sample(np.arange(64 * 64 * 4, dtype=np.float32), 2), 64)
    assert rows.size == MOST // 2
    assert {*rows} == {*range(256)}
    assert {*columns} == {*range(64)}


def test_what_half_precision_cannot_hold_is_not_recorded() -> None:
    assert record(7, FEEDS[:1], [{"y": np.array([70000.0])}]) is None
    assert record(7, FEEDS[:1], [{"y": np.array([np.nan])}]) is None


def test_the_digest_tells_names_shapes_and_numbers_apart() -> None:
    one = np.zeros((2, 3), np.float32)
    others = [[{"x": one}], [{"z": one}], [{"x": one.T}], [{"x": one + 1}], [{"x": one}] * 2]
    assert len({digest_of(inputs) for inputs in others}) == 5


def test_the_same_output_is_exact_and_noise_is_measured_in_the_worst_run() -> None:
    whole = np.linspace(-1, 1, 10_001)
    said = recorded(whole, whole)
    assert compare(said, "y", [whole, whole]).psnr > 80
    distance = compare(said, "y", [whole, whole + 0.02])
    assert distance.psnr == pytest.approx(40, abs=0.1)
    assert distance.max_error == pytest.approx(0.02, rel=0.05)


def test_a_number_that_is_not_finite_has_no_decibels() -> None:
    distance = compare(recorded(np.arange(4.0)), "y", [np.array([0, 1, np.inf, 3])])
    assert (distance.psnr, distance.max_error) == (-IDENTICAL, None)


def test_other_sizes_are_no_answers() -> None:
    with pytest.raises(ParityError, match="y: has 5 numbers, other than recorded"):
        compare(recorded(np.arange(4.0)), "y", [np.arange(5.0)])

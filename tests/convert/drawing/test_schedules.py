from __future__ import annotations

import numpy as np
import pytest

from sdcoreml.convert.drawing.choices import Spacing
from sdcoreml.convert.drawing.schedules import (
    Levels,
    first_place,
    kept_shares,
    pndm_levels,
    solver_levels,
)
from sdcoreml.convert.models import schedule
from tests.convert.drawing.swift import RUNS

CASES = [
    (kind, int(count), steps)
    for kind, by_count in RUNS["timesteps"].items()
    for count, steps in by_count.items()
]


def levels(kind: str, count: int) -> Levels:
    return pndm_levels(count) if kind == "pndm" else solver_levels(Spacing(kind), count)


@pytest.mark.parametrize(("kind", "count", "steps"), CASES)
def test_timesteps_are_those_of_swift(kind: str, count: int, steps: list[int]) -> None:
    assert list(levels(kind, count).timesteps) == steps


def test_levels_are_those_of_swift_at_whole_steps() -> None:
    shares = kept_shares()
    assert shares[[0, 100]].tolist() == pytest.approx([0.99915, 0.8942232], abs=1e-7)
    exact = schedule.kept_shares(schedule.make_betas("scaled_linear", *schedule.BETAS))
    assert shares == pytest.approx(np.array(exact), abs=1e-6)
    found = levels("linspace", 20)
    assert found.signal**2 + found.noise**2 == pytest.approx(np.ones(1000), abs=1e-6)


def test_karras_has_levels_between_the_steps() -> None:
    found = levels("karras", 20)
    # `constants` of golden/swift-runs/schedules.json at 20 steps
    assert found.signal[:4] == pytest.approx([0.06826483, 0.08497658, 0.106455475, 0.13420942])
    assert len(found.signal) == 20
    assert found.place(found.timesteps[3]) == 3


def test_of_equal_timesteps_the_first_place_counts() -> None:
    found = levels("karras", 60)
    assert found.timesteps[-2:] == (0, 0)
    assert found.place(0) == 58


@pytest.mark.parametrize(("steps", "places"), RUNS["image_start"].items())
def test_image_to_image_begins_where_swift_begins(steps: str, places: list[int]) -> None:
    strengths = [hundredth / 100 for hundredth in range(1, 100)]
    assert [first_place(int(steps) + 1, int(steps), one) for one in strengths] == places


def test_image_to_image_of_50_steps_begins_as_float32_has_it() -> None:
    assert first_place(50, 50, 0.58) == 21  # in float64, it is 22

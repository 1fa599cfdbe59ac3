from __future__ import annotations

import math

import pytest

from tests.bench.comfy import Paired, told


def test_pictures_of_the_same_noise_are_compared_one_by_one() -> None:
    found = Paired.of([70.0, 75.0, 80.0], [69.0, 73.0, 77.0])
    assert (found.mean, found.count) == (2.0, 3)
    assert found.error == pytest.approx(1 / math.sqrt(3))
    assert f"{found}" == "+2.00 dB (standard error 0.58, 3 pictures)"


@pytest.mark.parametrize(
    ("ours", "is_further"),
    [([69.0, 69.1, 69.2], True), ([69.0, 71.0, 69.9], False), ([71.0] * 3, False), ([1.0], False)],
    ids=["further", "by chance", "nearer", "one picture shows nothing"],
)
def test_only_what_is_no_chance_is_further(ours: list[float], *, is_further: bool) -> None:
    assert Paired.of(ours, [70.0] * len(ours)).is_further is is_further


def test_where_nothing_is_drawn_only_the_cost_is_told() -> None:
    assert told({"cpu": 4.5, "memory": 224e6}) == "conversion 4.5 CPU s and 224 MB"
    assert told({"error": "MemoryError: "}) == "failed: MemoryError: "

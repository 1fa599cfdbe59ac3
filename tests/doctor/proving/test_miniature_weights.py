from __future__ import annotations

import struct

import pytest

from sdcoreml.doctor.proving.miniature_weights import draw_tensor


def numbers(name: str, *shape: int) -> tuple[float, ...]:
    data = draw_tensor(name, shape).data
    return struct.unpack(f"<{len(data) // 4}f", data)


def test_they_are_the_same_numbers_whatever_python_or_numpy_draws_them() -> None:
    drawn = draw_tensor("a.weight", (2, 2)).data
    assert drawn.hex() == "7c7e19bff906d83e927c283f99dbbcbe"


@pytest.mark.parametrize(
    ("name", "shape", "least", "most"),
    [
        ("conv.weight", (8, 4, 5, 5), -0.1, 0.1),
        ("linear.weight", (100, 16), -0.25, 0.25),
        ("norm.weight", (900,), 0.5, 1.5),
        ("norm.bias", (900,), -0.15, 0.15),
        ("token_embedding.weight", (90, 9), -0.03, 0.03),
    ],
)
def test_they_fill_the_range_of_their_kind(
    name: str, shape: tuple[int, ...], least: float, most: float
) -> None:
    found = numbers(name, *shape)
    width = most - least
    assert least <= min(found) < least + 0.02 * width
    assert most >= max(found) > most - 0.02 * width
    assert sum(found) / len(found) == pytest.approx((least + most) / 2, abs=0.05 * width)


def test_each_name_has_its_own() -> None:
    assert numbers("a.weight", 4, 4) != numbers("b.weight", 4, 4)

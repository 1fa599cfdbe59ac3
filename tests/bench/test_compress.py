"""The recipes of the compression benchmark are valid, and both tools get the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdcoreml.convert.compression.recipe import parse_recipe, require_storable
from sdcoreml.convert.programs.options import Target
from tests.bench.compress import LIMITS, SPREADS, WAYS, WIDTHS, ours, tensor


@pytest.mark.parametrize("name", [name for name in WAYS if name != "none"])
def test_every_way_can_be_stored(name: str) -> None:
    recipe, options = WAYS[name]
    target = Target(options.get("target", "macOS13"))
    require_storable(parse_recipe(recipe), target.specification, name)


def test_only_what_is_measured_has_a_limit() -> None:
    assert LIMITS.keys() <= WAYS.keys()


@pytest.mark.parametrize("spread", SPREADS)
def test_tensors_are_the_same_for_both_and_have_the_magnitude_of_weights(spread: str) -> None:
    drawn = tensor([40, 30, 3, 3], spread)
    assert drawn.dtype == np.float16
    assert np.array_equal(drawn, tensor([40, 30, 3, 3], spread))
    assert 0.02 < drawn.std() < 0.06


@pytest.mark.parametrize("bits", WIDTHS)
def test_our_codes_are_those_of_the_palettes_entries(bits: int) -> None:
    drawn = tensor([40, 30, 3, 3], "laplace")
    palette, codes = ours(bits)(drawn)
    assert palette.shape == (1 << bits,)
    assert codes.shape == (math.prod(drawn.shape),)
    away = np.abs(palette[codes].astype(float) - drawn.reshape(-1))
    assert away.max() <= np.ptp(drawn) / 2

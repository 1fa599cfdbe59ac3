from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.drawing.choices import Rng
from sdcoreml.convert.drawing.randoms import RandomSource, open_source
from tests.convert.drawing.swift import RUNS

EXACT = 1e-12


def name(case: dict[str, Any]) -> str:
    return f"{case['source']}-{case['seed']}"


@pytest.mark.parametrize("case", RUNS["random"], ids=name)
def test_numbers_are_those_of_swift(case: dict[str, Any]) -> None:
    def new() -> RandomSource:
        return open_source(Rng(case["source"]), case["seed"])

    assert new().draw_each(7) == pytest.approx(case["next"], abs=EXACT)
    assert new().draw_array(7) == pytest.approx(case["array_7"], abs=EXACT)
    assert new().draw_array(64)[::9] == pytest.approx(case["array_64"], abs=EXACT)
    drawn = new().draw_array(60)  # no multiple of 16: torch draws the last 16 again
    assert [*drawn[::7], *drawn[-3:]] == pytest.approx(case["array_60"], abs=EXACT)


@pytest.mark.parametrize("case", RUNS["random"], ids=name)
def test_single_numbers_continue_after_an_array(case: dict[str, Any]) -> None:
    source = open_source(Rng(case["source"]), case["seed"])
    latent = source.draw_array(4 * 64 * 64)
    assert latent[::2048] == pytest.approx(case["array_16384_every_2048th"], abs=EXACT)
    assert latent.sum() == pytest.approx(case["sum"], abs=1e-9)
    assert source.draw_each(4) == pytest.approx(case["then_next"], abs=EXACT)


@pytest.mark.parametrize("rng", Rng)
def test_numbers_drawn_one_by_one_are_those_drawn_together(rng: Rng) -> None:
    together, apart = open_source(rng, 5), open_source(rng, 5)
    parts = [apart.draw_each(count) for count in (1, 0, 2, 4)]
    assert np.array_equal(np.concatenate(parts), together.draw_each(7))


@pytest.mark.parametrize("rng", Rng)
def test_seeds_have_32_bits(rng: Rng) -> None:
    drawn = {float(open_source(rng, seed).draw_array(16)[0]) for seed in (0, 1, 2**32 - 1)}
    assert len(drawn) == 3

"""The same input gives the same bytes with every toolchain, on every machine.

A change of the bytes must be intended: certificates no longer cover a changed graph, and users who
convert a model again get other files.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.compression.palette import BITS
from sdcoreml.convert.compression.recipe import Method, parse_recipe
from sdcoreml.convert.programs import DRAWERS
from sdcoreml.convert.programs.options import (
    Attention,
    Precision,
    Prediction,
    Runtime,
    Target,
    TextStates,
    parse_options,
)
from sdcoreml.convert.worker import Worker
from tests.inside.convert.golden import AGAIN, CASES, FILE, KINDS, digests

GOLDEN: Mapping[str, Mapping[str, str]] = json.loads(FILE.read_bytes())
PYTHONS = {"here": sys.executable, "light": os.environ.get("SDCOREML_LIGHT_PYTHON", "")}
"""The interpreters whose builds are compared: this one, and that of `light`, set by the runner."""


@pytest.fixture(scope="module", params=PYTHONS)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Mapping[str, str]]:
    if not PYTHONS[request.param]:
        pytest.skip("light is a part of tested alone")
    worker = Worker(python=Path(PYTHONS[request.param]))
    return digests(partial(worker.run, "build"), tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("case", CASES)
def test_every_file_is_what_it_was(case: str, written: Mapping[str, Mapping[str, str]]) -> None:
    assert written[case] == GOLDEN.get(case), f"other bytes than before; if that is meant: {AGAIN}"


def test_nothing_is_golden_that_nobody_makes() -> None:
    assert list(GOLDEN) == list(CASES), f"run {AGAIN}"


def test_every_kind_of_program_is_among_them() -> None:
    made = CASES.values()
    options = [parse_options(case.options) for case in made]
    recipes = [parse_recipe(case.recipe) for case in made if case.recipe]
    assert {case.component for case in made} == set(DRAWERS)
    assert {case.dtype for case in made} == set(KINDS)
    assert {it.attention for it in options} == set(Attention)
    assert {it.precision for it in options} == set(Precision)
    assert {it.prediction for it in options} == set(Prediction)
    assert {it.target for it in options} == set(Target)
    assert {it.text_states for it in options} == set(TextStates)
    assert {it.runtime for it in options} == set(Runtime)
    assert {recipe.method for recipe in recipes} == set(Method)
    assert {recipe.bits for recipe in recipes if recipe.method is Method.UNIFORM} == set(BITS)
    assert {bits for recipe in recipes for bits in (recipe.layers or {}).values()} == set(BITS)
    assert any(recipe.group_size for recipe in recipes)
    assert any(case.chunk for case in made)


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_weights_are_numbers_of_either_sign_and_no_outliers(dtype: str) -> None:
    style, random, fixed = KINDS[dtype]
    everything = np.arange(1 << 16).astype(style) * (1 if dtype == "F16" else 0x10001)
    numbers = (everything & random | fixed).astype(style).view(style.replace("u", "f"))
    assert np.isfinite(numbers).all()
    assert np.abs(numbers).min() == 1 / 128
    assert np.abs(numbers).max() < 1 / 8
    assert (numbers < 0).mean() == pytest.approx(0.5)

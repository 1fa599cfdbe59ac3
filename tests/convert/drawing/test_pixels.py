from __future__ import annotations

import numpy as np
import pytest

from sdcoreml.convert.drawing.choices import Rng
from sdcoreml.convert.drawing.pixels import sample_latent, to_image, to_picture
from sdcoreml.convert.drawing.randoms import open_source
from sdcoreml.convert.drawing.schedules import Singles
from tests.convert.drawing.swift import RUNS


def image(values: list[float]) -> Singles:
    one = np.array(values, np.float32)
    return np.broadcast_to(one, (1, 3, 1, len(one)))


def test_levels_are_those_of_the_recorded_decoder() -> None:
    picture = to_picture(image([number / 512 for number in range(-614, 626, 7)]))
    assert picture.shape == (1, 178, 3)
    assert picture[0, :, 0].tolist() == RUNS["bytes"]["x"]


@pytest.mark.parametrize("case", RUNS["bytes"]["special"], ids=lambda case: str(case["value"]))
def test_odd_values_have_a_level(case: dict[str, float]) -> None:
    assert to_picture(image([float(case["value"])]))[0, 0, 0] == case["byte"]


@pytest.mark.parametrize("case", RUNS["floats"], ids=lambda case: f"from {case['min']}")
def test_a_picture_becomes_the_recorded_numbers(case: dict[str, list[float]]) -> None:
    level = np.arange(256)
    alpha = np.array([0, 1, 128, 255])[level % 4]
    colours = np.stack([level, 255 - level, level // 2, alpha], axis=1).astype(np.uint8)
    found = to_image(colours.reshape(16, 16, 4), float(case["min"]))  # type: ignore[arg-type]
    assert found.shape == (1, 3, 16, 16)
    flat = found.reshape(3, 256)
    assert flat[0, :16] == pytest.approx(case["red"], abs=1e-7)
    assert flat[1, :8] == pytest.approx(case["green_first_8"], abs=1e-7)
    assert flat[2, :8] == pytest.approx(case["blue_first_8"], abs=1e-7)


def test_a_picture_without_alpha_has_no_holes() -> None:
    assert to_image(np.zeros((2, 3, 3), np.uint8), 0).tolist() == np.zeros((1, 3, 2, 3)).tolist()


@pytest.mark.parametrize(
    "case", RUNS["sampling"]["cases"], ids=lambda case: f"{case['source']}-{case['seed']}"
)
def test_a_latent_is_drawn_as_by_swift(case: dict[str, float]) -> None:
    moments = [*RUNS["sampling"]["mean"], *RUNS["sampling"]["logvar"]]
    source = open_source(Rng(case["source"]), int(case["seed"]))
    output = np.array(moments, np.float32).reshape(1, 8, 2, 3)
    found = sample_latent(output, source, case["scale"])
    assert found.shape == (1, 4, 2, 3)
    assert found.ravel() == pytest.approx(case["latent"], rel=1e-5)

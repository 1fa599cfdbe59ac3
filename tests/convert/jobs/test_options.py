from __future__ import annotations

from typing import Any

import pytest

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.programs.options import Attention, Precision, Prediction, ProgramOptions

FP16, FP32 = Precision.FP16, Precision.FP32
UNET = ProgramSpec(program="unet", source="unet", options={"prediction": "v_prediction"})
VAE = ProgramSpec(program="vae_decoder", source="vae", options={"precision": "fp32"})
TEXT = ProgramSpec(program="text_encoder", source="text_encoder", options={"pad_id": 0})


def options(**choices: Any) -> Options:
    return Options(attention=Attention.ORIGINAL, height=8, width=8, **choices)


def test_what_the_model_needs_comes_beside_what_was_asked_of_all() -> None:
    assert options(clip_skip=2).for_program(UNET) == ProgramOptions(
        attention=Attention.ORIGINAL,
        height=8,
        width=8,
        tokens=77,
        clip_skip=2,
        prediction=Prediction.VELOCITY,
    )


def test_what_the_caller_overrides_comes_before_what_the_model_says() -> None:
    chosen = options(prediction=Prediction.EPSILON, pad_id=7, latent_scale=0.2)
    unet, text, vae = (chosen.for_program(spec) for spec in (UNET, TEXT, VAE))
    assert (unet.prediction, unet.pad_id) == (Prediction.EPSILON, None)
    assert (text.pad_id, text.runtime_scale) == (7, None)
    assert vae.runtime_scale == 0.2


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, FP32),
        ({"vae": FP16}, FP16),
        ({"all": FP16}, FP16),
        ({"all": FP16, "vae": FP32}, FP32),
        ({"vae": FP32, "vae_decoder": FP16}, FP16),
        ({"unet": FP16}, FP32),
    ],
    ids=str,
)
def test_a_program_before_its_component_before_all(
    asked: dict[str, Precision], expected: Precision
) -> None:
    assert options(precision=asked).for_program(VAE).precision is expected


def test_only_unets_are_told_their_own_size() -> None:
    chosen = options(states_own_size=True)
    assert chosen.for_program(UNET).states_own_size
    assert not chosen.for_program(TEXT).states_own_size


def test_a_vae_is_never_compressed() -> None:
    chosen = options(recipe={"bits": 6})
    assert chosen.recipe_for(UNET) == {"bits": 6}
    assert chosen.recipe_for(VAE) is None


def test_optional_programs_are_asked_for_by_options() -> None:
    assert options().wanted == ()
    chosen = options(controlled=True, safety_checker=True, refiner=True)
    assert chosen.wanted == ("controlled_unet", "safety_checker", "unet_refiner")

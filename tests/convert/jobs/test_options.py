from __future__ import annotations

import pytest

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.jobs.options import Options, program_options, recipe_for
from sdcoreml.convert.programs.options import Precision, Prediction, parse_options

UNET = ProgramSpec(program="unet", source="unet", options={"prediction": "v_prediction"})
VAE = ProgramSpec(program="vae_decoder", source="vae", options={"precision": "fp32"})
TEXT = ProgramSpec(program="text_encoder", source="text_encoder", options={"pad_id": 0})


def options(**choices: object) -> Options:
    return Options(attention="ORIGINAL", height=8, width=8, **choices)  # type: ignore[arg-type]


def test_what_the_model_needs_comes_before_what_was_asked_of_all() -> None:
    fields = program_options(options(clip_skip=2), UNET)
    assert fields["prediction"] == "v_prediction"
    assert (fields["attention"], fields["clip_skip"]) == ("ORIGINAL", 2)
    assert parse_options(fields).height == 8


def test_what_is_insisted_on_comes_before_what_the_model_says() -> None:
    chosen = options(prediction="epsilon", pad_id=7, latent_scale=0.2)
    assert parse_options(program_options(chosen, UNET)).prediction is Prediction.EPSILON
    assert program_options(chosen, TEXT)["pad_id"] == 7
    assert program_options(chosen, VAE)["runtime_scale"] == 0.2
    assert "pad_id" not in program_options(chosen, UNET)
    assert "runtime_scale" not in program_options(chosen, TEXT)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, Precision.FP32),
        ({"vae": "fp16"}, Precision.FP16),
        ({"all": "fp16"}, Precision.FP16),
        ({"all": "fp16", "vae": "fp32"}, Precision.FP32),
        ({"vae": "fp32", "vae_decoder": "fp16"}, Precision.FP16),
        ({"unet": "fp16"}, Precision.FP32),
    ],
    ids=str,
)
def test_a_program_before_its_component_before_all(
    asked: dict[str, str], expected: Precision
) -> None:
    fields = program_options(options(precision=asked), VAE)
    assert parse_options(fields).precision is expected


def test_only_unets_are_told_their_own_size() -> None:
    chosen = options(states_own_size=True)
    assert program_options(chosen, UNET)["states_own_size"] is True
    assert "states_own_size" not in program_options(chosen, TEXT)


def test_a_vae_is_never_compressed() -> None:
    chosen = options(recipe={"bits": 6})
    assert recipe_for(chosen, UNET) == {"bits": 6}
    assert recipe_for(chosen, VAE) is None


def test_optional_programs_are_asked_for_by_options() -> None:
    assert options().wanted == ()
    chosen = options(controlled=True, safety_checker=True, refiner=True)
    assert chosen.wanted == ("controlled_unet", "safety_checker", "unet_refiner")

"""What is known of a model is not read again, and is judged the same."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.convert.models.identify import identify_path
from sdcoreml.convert.models.ingredients import Ingredients
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.doctor.commands.convert_ingredients import (
    ingredients_of,
    judge_ingredients,
    unpacking_of,
)
from sdcoreml.doctor.commands.convert_options import declare
from tests.convert.models.test_single_file import original, save
from tests.doctor.studio.models import MODELS


def parsed(model: Path, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    declare(parser)
    return parser.parse_args([*words, str(model)])


@pytest.mark.parametrize("words", [(), ("--app", "comfyui"), ("--prediction-type", "v_prediction")])
@pytest.mark.parametrize("name", ["sd2 file", "controlnet"])
def test_a_model_that_was_identified_is_judged_as_if_it_were_read_again(
    name: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    args = parsed(MODELS[name](tmp_path), *words)
    identity = identify_path(args.model, unpacking_of(args))
    once, again = judge_ingredients(args, identity), judge_ingredients(args)
    assert once.identity.path == again.identity.path
    assert (once.ruling, once.verdicts, once.refusals) == (
        again.ruling,
        again.verdicts,
        again.refusals,
    )
    args.model = tmp_path / "gone"
    assert judge_ingredients(args, identity).ruling == once.ruling


def test_only_a_file_is_told_what_it_predicts(tmp_path: Path) -> None:
    file = save(tmp_path / "m.safetensors", original("sd1"))
    words = ("--prediction-type", "epsilon", "--extract-ema", "--vae", "vae.safetensors")
    asked = ingredients_of(parsed(file, *words)).unpacking
    assert (asked.told and asked.told.option, asked.weights) == ("epsilon", Weights.AVERAGED)
    assert asked.vae == Path("vae.safetensors")
    folder = ingredients_of(parsed(tmp_path, *words)).unpacking
    assert folder.told
    assert folder.told.option is None
    assert unpacking_of(parsed(tmp_path, *words)).told == asked.told


def test_all_that_is_changed_in_a_model_is_taken_from_the_options(tmp_path: Path) -> None:
    file = save(tmp_path / "m.safetensors", original("sd1"))
    words = (
        *("--prediction-type", "epsilon", "--vae", "vae.safetensors", "--tokenizer", "words"),
        *("--lora", "a.safetensors:0.5", "--lora", "b.safetensors", "--embedding", "e.pt"),
        *("--app", "comfyui", "--accept-schedule"),
    )
    args = parsed(file, *words)
    assert ingredients_of(args) == Ingredients(
        model=file,
        unpacking=UnpackOptions(
            told=PredictionSource(option="epsilon"),
            weights=Weights.TRAINED,
            vae=Path("vae.safetensors"),
            tokenizer=Path("words"),
            only_unet=True,
        ),
        loras=tuple(args.lora),
        embeddings=tuple(args.embedding),
        accepts_schedule=True,
    )
    assert (len(args.lora), len(args.embedding)) == (2, 1)
    assert ingredients_of(parsed(file)) == Ingredients(
        model=file, unpacking=UnpackOptions(told=PredictionSource())
    )

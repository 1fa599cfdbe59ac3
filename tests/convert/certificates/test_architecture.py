"""The certificate key depends on exactly those config values and options that change the module."""

from __future__ import annotations

from dataclasses import fields

from sdcoreml.convert.certificates.architecture import (
    ALIKE,
    JUDGED,
    LAYOUT_ONLY,
    UNET,
    UPWARDS,
    architecture,
    options_in_key,
)
from sdcoreml.convert.programs.options import Attention, Prediction, ProgramOptions
from sdcoreml.convert.programs.unet_config import READ
from tools.certify.models import SD1_UNET, VAE

OLD_FILE = {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", **SD1_UNET}
NEW_FILE = {
    **OLD_FILE,
    "_diffusers_version": "0.29.0",
    "addition_embed_type": None,
    "dropout": 0.0,
    "norm_eps": 1e-05,
    "num_class_embeds": None,
    "sample_size": 96,
    "transformer_layers_per_block": 1,
}


def test_what_libraries_write_beside_an_architecture_does_not_count() -> None:
    assert architecture("unet", OLD_FILE) == architecture("unet", NEW_FILE)


def test_what_makes_another_module_counts() -> None:
    other = {**OLD_FILE, "norm_eps": 1e-6}
    assert architecture("unet", other) != architecture("unet", OLD_FILE)
    more = {**OLD_FILE, "transformer_layers_per_block": [1, 2, 10, 10]}
    assert architecture("unet", more) != architecture("unet", OLD_FILE)


def test_a_shift_of_latents_counts_where_there_is_one() -> None:
    assert architecture("vae_decoder", {**VAE, "shift_factor": None}) == architecture(
        "vae_decoder", VAE
    )
    assert architecture("vae_decoder", {**VAE, "shift_factor": 0.1})["shift_factor"] == 0.1


def test_of_a_component_that_is_not_known_everything_counts_but_notes() -> None:
    config = {"_name": "x", "architectures": ["A"], "torch_dtype": "float16", "layers": 3}
    assert architecture("block", config) == {"layers": 3}


def test_options_at_their_defaults_and_those_that_ask_nothing_of_the_module_do_not_count() -> None:
    assert options_in_key(ProgramOptions(attention=Attention.ORIGINAL, height=64)) == {}
    assert options_in_key(ProgramOptions(clip_skip=2, prediction=Prediction.VELOCITY)) == {
        "clip_skip": 2,
        "prediction": "v_prediction",
    }


def test_every_option_of_a_program_counts_in_the_key_or_only_changes_its_layout() -> None:
    options = {item.name: item.default for item in fields(ProgramOptions)}
    assert options.keys() == {*JUDGED, *LAYOUT_ONLY}
    assert not JUDGED.keys() & LAYOUT_ONLY.keys()
    assert {name: options[name] for name in JUDGED} == JUDGED


def test_every_option_that_a_unet_is_built_by_counts_or_changes_no_result() -> None:
    assert {*READ} - ALIKE.keys() <= UNET.keys() | UPWARDS.keys()
    assert not ALIKE.keys() & (UNET.keys() | UPWARDS.keys())
    assert ALIKE.keys() <= READ

"""Each option of a config.json that may be left out is the one that it stands for, and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sdcoreml.convert.parity.drawn import draw_without_weights
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.spec.model import Function
from tests.inside.convert.programs.configs import CONFIGS, TEXT, UNET

SMALL = ProgramOptions(height=16, width=16)
SHORT = {**UNET, "block_out_channels": [32], "down_block_types": ["CrossAttnDownBlock2D"]}
SHORT_UNET = {**SHORT, "up_block_types": ["CrossAttnUpBlock2D"]}
CLIP_2 = {**TEXT, "hidden_act": "gelu"}

ROWS: tuple[tuple[str, Mapping[str, Any], str, object, object], ...] = (
    ("text_encoder", TEXT, "hidden_act", "quick_gelu", "gelu"),
    ("text_encoder", TEXT, "layer_norm_eps", 1e-5, 1e-3),
    ("text_encoder", TEXT, "vocab_size", 49408, 120),
    ("text_encoder", TEXT, "max_position_embeddings", 77, 80),
    ("text_encoder", {**TEXT, "vocab_size": 49408}, "eos_token_id", 49407, 3),
    ("text_encoder_2", CLIP_2, "projection_dim", 512, 24),
    ("safety_checker", CONFIGS["safety_checker"], "projection_dim", 512, 24),
    ("safety_checker", CONFIGS["safety_checker"], "vision_config.image_size", 224, 64),
    ("safety_checker", CONFIGS["safety_checker"], "vision_config.patch_size", 32, 16),
    ("safety_checker", CONFIGS["safety_checker"], "vision_config.layer_norm_eps", 1e-5, 1e-3),
    ("unet", SHORT_UNET, "norm_num_groups", 32, 16),
    ("unet", SHORT_UNET, "attention_head_dim", 8, 2),
    ("unet", SHORT_UNET, "layers_per_block", 2, 1),
    ("unet", SHORT_UNET, "transformer_layers_per_block", 1, 2),
    ("unet", SHORT_UNET, "norm_eps", 1e-5, 1e-3),
    ("unet", SHORT_UNET, "time_embedding_dim", None, 64),
    ("unet", SHORT_UNET, "flip_sin_to_cos", True, False),
    ("vae_decoder", CONFIGS["vae_decoder"], "norm_num_groups", 32, 16),
    ("vae_decoder", CONFIGS["vae_decoder"], "layers_per_block", 1, 2),
    ("vae_encoder", CONFIGS["vae_encoder"], "norm_num_groups", 32, 16),
    ("vae_encoder", CONFIGS["vae_encoder"], "layers_per_block", 1, 2),
)


def function(component: str, config: Mapping[str, Any]) -> Function:
    return draw_without_weights(component, config, SMALL).program.function


def with_option(config: Mapping[str, Any], name: str, *values: object) -> dict[str, Any]:
    """Return the config with this option, or without it."""
    first, _, rest = name.partition(".")
    inner = (with_option(config[first], rest, *values),) if rest else values
    return {
        **{key: value for key, value in config.items() if key != first},
        **({first: inner[0]} if inner else {}),
    }


@pytest.mark.parametrize(("component", "config", "name", "usual", "other"), ROWS)
def test_an_option_counts_and_left_out_it_is_the_usual_one(
    component: str, config: Mapping[str, Any], name: str, usual: object, other: object
) -> None:
    absent = function(component, with_option(config, name))
    assert absent == function(component, with_option(config, name, usual))
    assert absent != function(component, with_option(config, name, other))

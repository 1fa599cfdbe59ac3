"""Configs and options that a builder refuses are also refused on the host, without coremltools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sdcoreml.convert.bundle.families import PROGRAMS
from sdcoreml.convert.programs import DRAWERS
from sdcoreml.convert.programs.drawable import CHECKS, require_drawable
from sdcoreml.convert.programs.options import ProgramOptions, Runtime, parse_options
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from tools.certify.models import (
    CLIP_L,
    MODELS,
    OPEN_CLIP_BIG_G,
    SD1_UNET,
    SDXL_UNET,
    VAE,
)

UPWARDS = ("out_channels", "up_block_types")
NET = {name: value for name, value in SD1_UNET.items() if name not in UPWARDS}


def options(**fields: Any) -> ProgramOptions:
    return ProgramOptions(**{"height": 64, "width": 64, **fields})


@pytest.mark.parametrize("name", MODELS)
def test_the_published_models_can_be_drawn(name: str) -> None:
    model = MODELS[name]
    whole = {part.source for part in PROGRAMS[model.family]} <= model.configs.keys()
    runtime = Runtime.SWIFT if whole else Runtime.COMFYUI  # it takes a UNet alone
    parts = [part for part in PROGRAMS[model.family] if part.source in model.configs]
    for part in parts:
        asked = replace(parse_options(part.options), runtime=runtime)
        require_drawable(part.program, model.configs[part.source], asked)
    assert "unet" in {part.source for part in parts}


def test_every_program_but_one_is_looked_at() -> None:
    assert DRAWERS.keys() - CHECKS.keys() == {"safety_checker"}
    require_drawable("safety_checker", {}, options())


@pytest.mark.parametrize(
    ("component", "config", "asked", "said"),
    [
        ("unet", {**SD1_UNET, "time_cond_proj_dim": 256}, {}, r"unet: .*time_cond_proj_dim=256"),
        ("unet", {**SD1_UNET, "in_channels": 9}, {}, r"in_channels=9 \(apps feed 4\)"),
        ("unet", {**SD1_UNET, "out_channels": 8}, {}, r"out_channels=8 \(apps want 4\)"),
        ("unet", SD1_UNET, {"width": 65}, r"65x64, for 520x512 pixels, .* multiples of 64 pixels"),
        ("controlled_unet", SD1_UNET, {"height": 12}, r"controlled_unet: .* multiples of 64"),
        ("unet", SDXL_UNET, {"width": 66}, r"halved 2 times; choose multiples of 32 pixels"),
        ("controlnet", {**NET, "conditioning_channels": 4}, {}, "conditioning_channels=4"),
        ("controlnet", NET, {"height": 68}, r"controlnet: .*544 pixels.*multiples of 64"),
        ("text_encoder", CLIP_L, {"tokens": 78}, "78 tokens were requested, but the model has 77"),
        ("text_encoder", CLIP_L, {"clip_skip": 13}, "with 12 blocks; choose 1 to 12"),
        ("text_encoder", CLIP_L, {"pad_id": 49408}, "the padding token 49408 is not among"),
        ("text_encoder_2", OPEN_CLIP_BIG_G, {"clip_skip": 2}, "trained on the penultimate"),
        ("vae_decoder", {**VAE, "latent_channels": 16}, {}, r"=16 \(apps sample 4\)"),
        ("vae_encoder", {**VAE, "act_fn": "gelu"}, {}, "vae_encoder: .*act_fn='gelu'"),
    ],
)
def test_what_is_refused(
    component: str, config: Mapping[str, Any], asked: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(UnsupportedError, match=said):
        require_drawable(component, config, options(**asked))


@pytest.mark.parametrize(("levels", "shrinks"), [(3, 4), (5, 16)])
def test_a_vae_that_does_not_shrink_by_eight(levels: int, shrinks: int) -> None:
    config = {
        "block_out_channels": [64] * levels,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }
    with pytest.raises(UnsupportedError) as caught:
        require_drawable("vae_decoder", config, options())
    assert str(caught.value) == (
        f"vae_decoder: config.json has {levels} block_out_channels, so a latent pixel"
        f" covers {shrinks} image pixels in each direction; apps need 8, which takes 4; take the"
        " VAE of a Stable Diffusion model"
    )


def test_what_a_config_lacks() -> None:
    with pytest.raises(BadInputError, match="lacks block_out_channels; take it"):
        require_drawable("vae_decoder", {}, options())


def test_three_levels_take_sizes_that_four_do_not() -> None:
    require_drawable("unet", SDXL_UNET, options(height=132, width=132))  # 1056 pixels
    with pytest.raises(UnsupportedError):
        require_drawable("unet", SD1_UNET, options(height=132, width=132))


@pytest.mark.parametrize(
    "name",
    [
        *("begin_suppress_tokens", "chunk_size_feed_forward", "decoder_start_token_id"),
        *("diversity_penalty", "early_stopping", "encoder_no_repeat_ngram_size"),
        *("exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id"),
        *("forced_eos_token_id", "id2label", "label2id", "length_penalty", "max_length"),
        *("min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams"),
        *("num_return_sequences", "prefix", "problem_type", "repetition_penalty", "return_dict"),
        *("return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params"),
        *("temperature", "tie_encoder_decoder", "tie_word_embeddings", "tokenizer_class", "top_k"),
        *("top_p", "torchscript", "typical_p", "use_bfloat16", "initializer_factor", "dropout"),
        *("initializer_range", "attention_dropout", "bos_token_id", "pad_token_id"),
    ],
)
def test_options_that_clip_does_not_read_may_be_anything(name: str) -> None:
    require_drawable("text_encoder", {**CLIP_L, name: 0.5}, options())

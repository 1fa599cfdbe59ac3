"""Narrow versions of every program, for checks that take seconds.

Levels, blocks, layers and heads are as in the published models, but with a fraction of the
channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.certify.models import (
    CLIP_L,
    OPEN_CLIP_BIG_G,
    OPEN_CLIP_H,
    REFINER_UNET,
    SD1_UNET,
    SD2_UNET,
    SDXL_UNET,
    SDXL_VAE,
    VAE,
)

ATTENTIONS = ("ORIGINAL", "SPLIT_EINSUM", "SPLIT_EINSUM_V2")
VOCABULARY = 1000
_L, _H, _G = 96, 128, 160
"""The widths of the text encoders, which have 8 features per head."""

_WIDE = {"height": 24, "width": 32}
"""A latent size at which SPLIT_EINSUM_V2 needs several chunks of queries, the last one shorter."""

_WIDER = {"height": 40, "width": 56}
"""Such a latent size for UNets whose first level has no attention, as in SDXL."""

_UPWARDS = ("out_channels", "sample_size", "up_block_types")


def _text(config: Mapping[str, Any], width: int) -> Mapping[str, Any]:
    widths = {"hidden_size": width, "intermediate_size": 4 * width, "projection_dim": width}
    return {**config, **widths, "vocab_size": VOCABULARY}


_SD1 = {**SD1_UNET, "block_out_channels": [32, 64, 128, 128], "cross_attention_dim": _L}
_SD2 = {
    **SD2_UNET,
    "attention_head_dim": [2, 4, 8, 8],
    "block_out_channels": [32, 64, 128, 128],
    "cross_attention_dim": _H,
}
_SDXL = {
    **SDXL_UNET,
    "addition_time_embed_dim": 32,
    "attention_head_dim": [2, 4, 8],
    "block_out_channels": [32, 64, 128],
    "cross_attention_dim": _L + _G,
    "projection_class_embeddings_input_dim": _G + 6 * 32,
}
_REFINER = {
    **REFINER_UNET,
    "addition_time_embed_dim": 32,
    "attention_head_dim": [2, 4, 8, 8],
    "block_out_channels": [32, 64, 128, 128],
    "cross_attention_dim": _G,
    "projection_class_embeddings_input_dim": _G + 5 * 32,
}
_NARROW_VAE = {"block_out_channels": [32, 64, 128, 128]}
_CHECKER: Mapping[str, Any] = {
    "projection_dim": _L,
    "vision_config": {
        "hidden_size": 128,
        "image_size": 224,
        "intermediate_size": 512,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
    },
}


def _controlnet(unet: Mapping[str, Any]) -> Mapping[str, Any]:
    config = {name: value for name, value in unet.items() if name not in _UPWARDS}
    return {**config, "conditioning_embedding_out_channels": [8, 16, 32, 64]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A module to check, and the options of the programs that a conversion makes from it.

    `attentions` are the kinds of attention to check; `("",)` where there is no choice.
    """

    family: str
    component: str
    config: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    attentions: tuple[str, ...] = ("",)

    @property
    def is_unet(self) -> bool:
        """Return True for a UNet: only UNets have minimum figures for compressed weights."""
        return "unet" in self.component


_PENULTIMATE = {"text_states": "penultimate"}
_VELOCITY = {"prediction": "v_prediction"}
_SUBJECTS: tuple[tuple[str, str, Mapping[str, Any], Mapping[str, Any]], ...] = (
    ("SD 1.x", "text_encoder", _text(CLIP_L, _L), {}),
    ("SD 1.x", "unet", _SD1, _WIDE),
    ("SD 1.x", "controlled_unet", _SD1, _WIDE),
    ("SD 1.x", "controlnet", _controlnet(_SD1), _WIDE),
    ("SD 1.x", "vae_decoder", {**VAE, **_NARROW_VAE}, _WIDE),
    ("SD 1.x", "vae_encoder", {**VAE, **_NARROW_VAE}, _WIDE),
    ("SD 1.x", "safety_checker", _CHECKER, {}),
    ("SD 2.x base", "text_encoder", _text(OPEN_CLIP_H, _H), {"pad_id": 0}),
    ("SD 2.x base", "unet", _SD2, _WIDE),
    ("SD 2.x base", "controlled_unet", _SD2, _WIDE),
    ("SD 2.x base", "controlnet", _controlnet(_SD2), _WIDE),
    ("SD 2.x v", "unet", _SD2, {**_WIDE, **_VELOCITY}),
    ("SD 2.x v", "controlled_unet", _SD2, {**_WIDE, **_VELOCITY}),
    ("SDXL base", "text_encoder", _text(CLIP_L, _L), _PENULTIMATE),
    ("SDXL base", "text_encoder_2", _text(OPEN_CLIP_BIG_G, _G), _PENULTIMATE),
    ("SDXL base", "unet", _SDXL, _WIDER),
    ("SDXL base", "vae_decoder", {**SDXL_VAE, **_NARROW_VAE}, _WIDE),
    ("SDXL base", "vae_encoder", {**SDXL_VAE, **_NARROW_VAE}, _WIDE),
    ("SDXL refiner", "unet_refiner", _REFINER, _WIDER),
)
SUBJECTS: tuple[Subject, ...] = tuple(
    Subject(
        family=family,
        component=component,
        config=config,
        options=options,
        attentions=ATTENTIONS if "net" in component else ("",),
    )
    for family, component, config, options in _SUBJECTS
)
"""The modules to check; one that several families share is listed only for the first family."""

FULL_UNET = Subject(
    family="SD 1.x, full size",
    component="unet",
    config=SD1_UNET,
    options={"height": 64, "width": 64},
)

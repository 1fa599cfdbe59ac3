"""What of a config.json says which module a program stands for.

Two files of one architecture seldom agree word for word: older ones lack options that newer ones
write with their defaults, and every library adds notes. So only the options that the builders read
count, each with its default where it is left out: those of the pinned diffusers and transformers.
All others are refused by the builders unless they have their default, or concern training only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdcoreml.convert.programs.options import ProgramOptions

_CROSS_DOWN, _CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"

UNET: Mapping[str, Any] = {
    "addition_embed_type": None,
    "addition_time_embed_dim": None,
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 1280,
    "down_block_types": [_CROSS_DOWN, _CROSS_DOWN, _CROSS_DOWN, "DownBlock2D"],
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "norm_eps": 1e-5,
    "norm_num_groups": 32,
    "projection_class_embeddings_input_dim": None,
    "transformer_layers_per_block": 1,
}
UPWARDS: Mapping[str, Any] = {
    "out_channels": 4,
    "time_embedding_dim": None,
    "up_block_types": ["UpBlock2D", _CROSS_UP, _CROSS_UP, _CROSS_UP],
}
"""Options of a UNet that a ControlNet, which has no way up, does not know."""

CONDITION: Mapping[str, Any] = {
    "conditioning_channels": 3,
    "conditioning_embedding_out_channels": [16, 32, 96, 256],
    "controlnet_conditioning_channel_order": "rgb",
}
TEXT: Mapping[str, Any] = {
    "eos_token_id": 49407,
    "hidden_act": "quick_gelu",
    "hidden_size": 512,
    "intermediate_size": 2048,
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 77,
    "num_attention_heads": 8,
    "num_hidden_layers": 12,
    "vocab_size": 49408,
}
VAE: Mapping[str, Any] = {
    "block_out_channels": [64],
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
}
READ: Mapping[str, Mapping[str, Any]] = {
    "controlled_unet": {**UNET, **UPWARDS},
    "controlnet": {**UNET, **CONDITION},
    "text_encoder": TEXT,
    "text_encoder_2": {**TEXT, "projection_dim": 512},
    "unet": {**UNET, **UPWARDS},
    "unet_refiner": {**UNET, **UPWARDS},
    "vae_decoder": VAE,
    "vae_encoder": VAE,
}
"""Component to the options that count and their defaults; of any other, the whole config counts."""

RARE: Mapping[str, Any] = {"shift_factor": None}
"""Options that builders read, too, and that count only where a config has them: no published model
does, and what was certified before there were such stays so."""

SAME: Mapping[str, str] = {"unet_refiner": "unet"}
"""Components that are others by another name in the folder."""

_ABOUT_FILES = frozenset({"architectures", "dtype", "torch_dtype", "transformers_version"})

JUDGED: Mapping[str, Any] = {
    "clip_skip": 1,
    "pad_id": None,
    "prediction": "epsilon",
    "runtime_scale": None,
    "states_own_size": False,
}
"""The options of a conversion that change what a component is to compute, and their defaults."""

LAYOUT_ONLY: Mapping[str, str] = {
    "attention": "the same attention, laid out in other operations",
    "batch": "rows of the inputs, as the graph declares them",
    "height": "shape of the inputs, as the graph declares them",
    "precision": "types, which the graph declares",
    "target": "operator set, which the graph declares",
    "text_states": "names of the outputs, by which the module is asked for the same states",
    "tokens": "shape of the inputs, as the graph declares them",
    "width": "shape of the inputs, as the graph declares them",
}
"""The options that change how a component is computed and not what, and why they need no place in a
certificate's key. Every option of a program stands in one of the two tables: one that is forgotten
would certify programs that ignore it."""


def architecture(component: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a config that tell one module from another, as JSON."""
    if component not in READ:
        kept = (name for name in config if name[0] != "_" and name not in _ABOUT_FILES)
        return {name: config[name] for name in kept}
    counted = {name: config.get(name, default) for name, default in READ[component].items()}
    return counted | {name: config[name] for name in RARE if config.get(name)}


def options_in_key(options: ProgramOptions) -> dict[str, Any]:
    """The options of a conversion that count, where they are not at their defaults."""
    return {
        name: value
        for name, value in options.as_json().items()
        if name in JUDGED and value != JUDGED[name]
    }

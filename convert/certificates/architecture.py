"""The options in a config.json that determine which module a program implements.

Config files of the same architecture are rarely identical: older ones lack options that newer ones
state with their defaults, and libraries add notes. So only the options that the builders read
count. A missing option counts as its default in the pinned diffusers or transformers. Builders
refuse any other option unless it has its default value or concerns training only.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.convert.programs.options import ProgramOptions

_CROSS_DOWN, _CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"

UNET: Mapping[str, object] = {
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
UPWARDS: Mapping[str, object] = {
    "out_channels": 4,
    "time_embedding_dim": None,
    "up_block_types": ["UpBlock2D", _CROSS_UP, _CROSS_UP, _CROSS_UP],
}
"""UNet options that a ControlNet does not have, because it has no up path."""

ALIKE: Mapping[str, str] = {
    "addition_embed_type_num_heads": "of an embedding that builders refuse",
    "dropout": "training only",
    "sample_size": "the usual size, not the one that the graph declares",
    "upcast_attention": "types in attention, which no layout here needs: queries are scaled first",
    "use_linear_projection": "a matrix after a reshape, drawn as the 1x1 convolution before it",
}
"""Options that the UNet's builder takes and that change no result, each with the reason.

They stay out of a certificate's key: UNets of the same widths with and without linear projections
have one graph, though their modules are written in two ways. A test runs both against it.
"""

CONDITION: Mapping[str, object] = {
    "conditioning_channels": 3,
    "conditioning_embedding_out_channels": [16, 32, 96, 256],
    "controlnet_conditioning_channel_order": "rgb",
}
TEXT: Mapping[str, object] = {
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
VAE: Mapping[str, object] = {
    "block_out_channels": [64],
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
}
READ: Mapping[str, Mapping[str, object]] = {
    "controlled_unet": {**UNET, **UPWARDS},
    "controlnet": {**UNET, **CONDITION},
    "text_encoder": TEXT,
    "text_encoder_2": {**TEXT, "projection_dim": 512},
    "unet": {**UNET, **UPWARDS},
    "unet_refiner": {**UNET, **UPWARDS},
    "vae_decoder": VAE,
    "vae_encoder": VAE,
}
"""Maps a component to the options that count, with their defaults; for others all options count."""

RARE: Mapping[str, object] = {"shift_factor": None, "time_cond_proj_dim": None}
"""Options that builders also read, but that count only if a config sets them.

No model sets them that was certified before builders read them, so those certificates stay valid.
"""

SAME: Mapping[str, str] = {"unet_refiner": "unet"}
"""Maps a component to another one that computes the same, under a different name in the folder."""

_ABOUT_FILES = frozenset({"architectures", "dtype", "torch_dtype", "transformers_version"})

JUDGED: Mapping[str, object] = {
    "clip_skip": 1,
    "pad_id": None,
    "prediction": "epsilon",
    "runtime": "swift",
    "runtime_scale": None,
    "states_own_size": False,
}
"""Conversion options that change what a component computes, with their defaults."""

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
"""Options that change how a component is computed, but not its result, each with the reason.

They stay out of a certificate's key. Every program option must be in `JUDGED` or here; otherwise, a
certificate would also cover programs that ignore the option.
"""


def architecture(component: str, config: Mapping[str, object]) -> dict[str, object]:
    """Return the options of a config that distinguish one module from another, as JSON."""
    if component not in READ:
        kept = (name for name in config if name[0] != "_" and name not in _ABOUT_FILES)
        return {name: config[name] for name in kept}
    counted = {name: config.get(name, default) for name, default in READ[component].items()}
    return counted | {name: config[name] for name in RARE if config.get(name)}


def options_in_key(options: ProgramOptions) -> dict[str, object]:
    """Return the options that belong to a certificate's key and differ from their defaults."""
    return {
        name: value
        for name, value in options.as_json().items()
        if name in JUDGED and value != JUDGED[name]
    }

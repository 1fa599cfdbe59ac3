"""The configs of the sample and of published models, reduced to the options that matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.sample import CONFIGS as SAMPLE
from sdcoreml.doctor.proving.miniature import CONFIGS as MINIATURE

Config: TypeAlias = "Mapping[str, object]"

_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_CROSS_UP, _PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"

_CLIP: Config = {
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 77,
    "pad_token_id": 1,
    "vocab_size": 49408,
}
CLIP_L: Config = {
    **_CLIP,
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
}
OPEN_CLIP_H: Config = {
    **_CLIP,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "projection_dim": 512,
}
OPEN_CLIP_BIG_G: Config = {
    **_CLIP,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}
SD1_UNET: Config = {
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "down_block_types": [_CROSS, _CROSS, _CROSS, _PLAIN],
    "in_channels": 4,
    "layers_per_block": 2,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": [_PLAIN_UP, _CROSS_UP, _CROSS_UP, _CROSS_UP],
}
SD2_UNET: Config = {
    **SD1_UNET,
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}
SDXL_UNET: Config = {
    **SD1_UNET,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": [_PLAIN, _CROSS, _CROSS],
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": [_CROSS_UP, _CROSS_UP, _PLAIN_UP],
    "use_linear_projection": True,
}
LCM_UNET: Config = {**SD1_UNET, "time_cond_proj_dim": 256}
REFINER_UNET: Config = {
    **SDXL_UNET,
    "attention_head_dim": [6, 12, 24, 24],
    "block_out_channels": [384, 768, 1536, 1536],
    "cross_attention_dim": 1280,
    "down_block_types": [_PLAIN, _CROSS, _CROSS, _PLAIN],
    "projection_class_embeddings_input_dim": 2560,
    "transformer_layers_per_block": 4,
    "up_block_types": [_PLAIN_UP, _CROSS_UP, _CROSS_UP, _PLAIN_UP],
}
VAE: Config = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
    "sample_size": 512,
    "scaling_factor": 0.18215,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
SDXL_VAE: Config = {**VAE, "sample_size": 1024, "scaling_factor": 0.13025}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model whose graphs are certified: its title, and its components' configs by folder."""

    title: str
    family: Family
    configs: Mapping[str, Config]


def _describe_published(family: Family, configs: Mapping[str, Config]) -> KnownModel:
    return KnownModel(title=family.value, family=family, configs=configs)


MODELS: Mapping[str, KnownModel] = {
    "sample": KnownModel(title="the sample", family=Family.SD1, configs=SAMPLE),
    "miniature": KnownModel(title="the miniature", family=Family.SD1, configs=MINIATURE),
    "sd1": _describe_published(Family.SD1, {"text_encoder": CLIP_L, "unet": SD1_UNET, "vae": VAE}),
    "sd2-base": _describe_published(
        Family.SD2_BASE, {"text_encoder": OPEN_CLIP_H, "unet": SD2_UNET, "vae": VAE}
    ),
    "sd2-v": _describe_published(
        Family.SD2_V,
        {
            "text_encoder": OPEN_CLIP_H,
            "unet": {**SD2_UNET, "sample_size": 96},
            "vae": {**VAE, "sample_size": 768},
        },
    ),
    "sdxl": _describe_published(
        Family.SDXL,
        {
            "text_encoder": CLIP_L,
            "text_encoder_2": OPEN_CLIP_BIG_G,
            "unet": SDXL_UNET,
            "vae": SDXL_VAE,
        },
    ),
    "sdxl-refiner": _describe_published(
        Family.SDXL_REFINER,
        {"text_encoder_2": OPEN_CLIP_BIG_G, "unet": REFINER_UNET, "vae": SDXL_VAE},
    ),
    "lcm": KnownModel(
        title="a latent consistency model", family=Family.SD1, configs={"unet": LCM_UNET}
    ),
}
"""The models, by the prefix of their cases' names."""

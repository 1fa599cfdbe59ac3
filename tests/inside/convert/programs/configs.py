"""Configs of tiny models with the real architectures; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"

TEXT: Mapping[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "eos_token_id": 2,
}
UNET: Mapping[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64, 64],
    "layers_per_block": 1,
    "down_block_types": [CROSS, CROSS, PLAIN],
    "up_block_types": [PLAIN_UP, CROSS_UP, CROSS_UP],
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
}
_OF_UNETS = ("sample_size", "out_channels", "up_block_types")
XL: Mapping[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4],
    "block_out_channels": [32, 64],
    "cross_attention_dim": 40,
    "down_block_types": [PLAIN, CROSS],
    "up_block_types": [CROSS_UP, PLAIN_UP],
    "projection_class_embeddings_input_dim": 24 + 6 * 8,
    "transformer_layers_per_block": [1, 3],
    "use_linear_projection": True,
}
"""Config values in which SDXL's tiny UNet differs from `UNET`."""
VAE: Mapping[str, Any] = {
    "block_out_channels": [32, 64, 64, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 64,
}
CHECKER: Mapping[str, Any] = {
    "projection_dim": 24,
    "vision_config": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 224,
        "patch_size": 32,
    },
}
CONTROLNET: Mapping[str, Any] = {
    **{name: value for name, value in UNET.items() if name not in _OF_UNETS},
    "conditioning_embedding_out_channels": [8, 16, 24, 32],
}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "controlled_unet": UNET,
    "controlnet": CONTROLNET,
    "safety_checker": CHECKER,
    "unet_refiner": {
        **UNET,
        **XL,
        "cross_attention_dim": 24,
        "projection_class_embeddings_input_dim": 24 + 5 * 8,
    },
    "text_encoder": TEXT,
    "unet": UNET,
    "vae_decoder": VAE,
    "vae_encoder": VAE,
}

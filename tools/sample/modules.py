"""The sample's torch modules, in the structure of Stable Diffusion 1.x. Runs in the environment."""

from __future__ import annotations

from collections.abc import Mapping

import torch

CONFIGS: Mapping[str, Mapping[str, object]] = {
    "text_encoder": {
        "bos_token_id": 0,
        "eos_token_id": 2,  # as every SD 1.x config says; transformers then pools at argmax(ids)
        "hidden_act": "quick_gelu",
        "hidden_size": 64,
        "intermediate_size": 256,
        "max_position_embeddings": 77,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "pad_token_id": 1,
        "projection_dim": 64,
        "vocab_size": 49408,
    },
    "unet": {
        # Norms of single channels, which 32 groups would be, erase the colours that noise has left.
        "norm_num_groups": 8,
        "attention_head_dim": 4,
        "block_out_channels": (32, 64, 64, 64),
        "cross_attention_dim": 64,
        "sample_size": 16,
    },
    "vae": {
        "block_out_channels": (16, 24, 48, 48),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 128,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    },
}
SCALE = 0.18215
"""What latents are multiplied by: the default of diffusers' VAE, and what the apps expect."""


def make_vae() -> torch.nn.Module:
    """Make an AutoencoderKL."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(**CONFIGS["vae"])


def make_unet() -> torch.nn.Module:
    """Make a UNet2DConditionModel; it takes latents of any size that eight divides."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**CONFIGS["unet"])


def make_text_encoder(words: int) -> torch.nn.Module:
    """Make a CLIPTextModel with embeddings of this many words."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(**{**CONFIGS["text_encoder"], "vocab_size": words}))


def noise_schedule() -> torch.Tensor:
    """Return alphas_cumprod of Stable Diffusion 1.x: float32, (1000,)."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return (1 - betas).cumprod(0)

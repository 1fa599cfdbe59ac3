"""The sample's torch modules, in the structure of Stable Diffusion 1.x. Runs in the environment."""

from __future__ import annotations

import torch

from sdcoreml.convert.models.sample import CONFIGS

SCALE = 0.18215
"""What latents are multiplied by: the default of diffusers' VAE, and what the apps expect."""


def make_vae() -> torch.nn.Module:
    """Make an AutoencoderKL."""
    from diffusers import AutoencoderKL

    return AutoencoderKL.from_config(dict(CONFIGS["vae"]))


def make_unet() -> torch.nn.Module:
    """Make a UNet2DConditionModel; it takes latents of any size that eight divides."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_config(dict(CONFIGS["unet"]))


def make_text_encoder(words: int) -> torch.nn.Module:
    """Make a CLIPTextModel with embeddings of this many words."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(**{**CONFIGS["text_encoder"], "vocab_size": words}))


def noise_schedule() -> torch.Tensor:
    """Return alphas_cumprod of Stable Diffusion 1.x: float32, (1000,)."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return (1 - betas).cumprod(0)

"""Trains the VAE; then its decoder alone, on whole pictures.

The decoder is given noisy latents, and so learns to draw clean edges from what a UNet has drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from tools.sample.drawing import Picture, draw
from tools.sample.loop import Stage
from tools.sample.modules import SCALE, make_vae
from tools.sample.scenes import make_scene, seeded, trained
from tools.sample.text import training_scenes

STEPS = 1200
LAST = 0.9
"""From this share of the steps on, whole pictures are trained on, not parts of 32 x 32 pixels."""
CROP, CROPS, WHOLE = 32, 24, 2
POOL = 400
DECODED = 4
"""Whole pictures in a step of the decoder's own training."""
NOISE = 0.3
"""The most noise that is added to latents, as a share of their spread."""


def vae_stage(size: int, steps: int = STEPS, pool: int = POOL) -> Stage:
    """Return the stage that trains the VAE on pictures of `size` and half of that."""
    vae = make_vae()
    rng = seeded(1)
    pictures = [
        as_pixels([draw(make_scene(rng, trained()), size >> (number % 4 == 0))])[0]
        for number in range(pool)
    ]

    def loss(step: int, randoms: torch.Generator) -> torch.Tensor:
        whole = step >= LAST * steps
        side, count = (size, WHOLE) if whole else (CROP, CROPS)
        big = [picture for picture in pictures if picture.shape[-1] >= side]
        pixels = torch.stack([_part(big, side, randoms) for _ in range(count)])
        means = vae.encode(pixels).latent_dist.mean
        spread = means.detach().std((0, 2, 3), keepdim=True)
        share = NOISE * torch.rand((count, 1, 1, 1), generator=randoms)
        noisy = means + share * spread * torch.randn(means.shape, generator=randoms)
        difference = _difference(vae.decode(noisy).sample, pixels, min(1, 3 * step / steps))
        # A normal prior for a posterior of fixed spread keeps latents near 1.
        return difference + 2e-4 * means.pow(2).mean()

    return Stage(name="vae", steps=steps, rate=2e-3, modules=vae, loss=loss)


def decoder_stage(vae: torch.nn.Module, size: int, steps: int, pool: int = POOL) -> Stage:
    """Return the stage that goes on with the decoder alone; what the UNet learns from stays.

    Parts of pictures teach an encoder and a decoder what little there is to tell, and leave the
    points of stars round. The decoder sees as many pixels of half the size in every fourth step.
    """
    scenes = training_scenes(pool, 1)
    sides, stages = (size, size // 2), []
    with torch.no_grad():
        for side in sides:
            pixels = as_pixels([draw(scene, side) for scene in scenes])
            means = torch.cat([vae.encode(some).latent_dist.mean for some in pixels.split(32)])
            stages.append((pixels, means))

    def loss(step: int, randoms: torch.Generator) -> torch.Tensor:
        small = step % 4 == 0
        pixels, means = stages[small]
        pick = torch.randint(pool, (DECODED * 4 if small else DECODED,), generator=randoms)
        latents = means[pick]
        share = NOISE * torch.rand((len(pick), 1, 1, 1), generator=randoms)
        noisy = latents + share / SCALE * torch.randn(latents.shape, generator=randoms)
        return _difference(vae.decode(noisy).sample, pixels[pick])

    return Stage(name="decoder", steps=steps, rate=1e-3, modules=decoding(vae), loss=loss)


def decoding(vae: torch.nn.Module) -> torch.nn.Module:
    """Return the modules of a VAE that decode."""
    return torch.nn.ModuleList((vae.post_quant_conv, vae.decoder))


def as_pixels(pictures: Sequence[Picture]) -> torch.Tensor:
    """Return pictures as the VAE takes them: float32, (n, 3, size, size), -1 to 1."""
    return torch.from_numpy(np.stack(pictures).astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1)


def whiten(vae: torch.nn.Module, pictures: Sequence[torch.Tensor]) -> None:
    """Fold the latents' mean and spread into the two 1x1 convolutions, so that `SCALE` is right."""
    with torch.no_grad():
        latents = torch.cat([vae.encode(some).latent_dist.mean.flatten(2) for some in pictures], 2)
        mean, factor = latents.mean((0, 2)), 1 / (latents.std((0, 2)) * SCALE)
        after, before = vae.post_quant_conv, vae.quant_conv
        after.bias += (after.weight[:, :, 0, 0] * mean).sum(1)
        after.weight /= factor.view(1, -1, 1, 1)
        count = len(mean)
        before.bias[:count] -= mean
        before.bias[:count] *= factor
        before.weight[:count] *= factor.view(-1, 1, 1, 1)
        before.bias[count:] += 2 * factor.log()


def _difference(drawn: torch.Tensor, pixels: torch.Tensor, edges: float = 1) -> torch.Tensor:
    """Return how far drawn pixels are from those asked for; their edges count by this factor."""
    slopes = sum(functional.l1_loss(drawn.diff(dim=axis), pixels.diff(dim=axis)) for axis in (2, 3))
    return functional.l1_loss(drawn, pixels) + functional.mse_loss(drawn, pixels) + edges * slopes


def _part(pictures: Sequence[torch.Tensor], side: int, randoms: torch.Generator) -> torch.Tensor:
    picture = pictures[int(torch.randint(len(pictures), (1,), generator=randoms))]
    free = picture.shape[-1] - side + 1
    y, x = torch.randint(free, (2,), generator=randoms).tolist()
    return picture[:, y : y + side, x : x + side]

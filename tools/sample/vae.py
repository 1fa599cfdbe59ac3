"""Trains the VAE. Its decoder is given noisy latents, and so learns to draw clean edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from tools.sample.drawing import Picture, draw
from tools.sample.loop import Stage
from tools.sample.modules import SCALE, make_vae
from tools.sample.scenes import make_scene, seeded, trained

STEPS = 1200
LAST = 0.9
"""From this share of the steps on, whole pictures are trained on, not parts of 32 x 32 pixels."""
CROP, CROPS, WHOLE = 32, 24, 2
POOL = 400
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
        drawn = vae.decode(noisy).sample
        edges = sum(
            functional.l1_loss(drawn.diff(dim=axis), pixels.diff(dim=axis)) for axis in (2, 3)
        )
        difference = functional.l1_loss(drawn, pixels) + functional.mse_loss(drawn, pixels)
        # A normal prior for a posterior of fixed spread keeps latents near 1.
        return difference + edges * min(1, 3 * step / steps) + 2e-4 * means.pow(2).mean()

    return Stage(name="vae", steps=steps, rate=2e-3, modules=vae, loss=loss)


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


def _part(pictures: Sequence[torch.Tensor], side: int, randoms: torch.Generator) -> torch.Tensor:
    picture = pictures[int(torch.randint(len(pictures), (1,), generator=randoms))]
    free = picture.shape[-1] - side + 1
    y, x = torch.randint(free, (2,), generator=randoms).tolist()
    return picture[:, y : y + side, x : x + side]

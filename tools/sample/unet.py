"""Trains the UNet on latents and text states that are computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from tools.sample.drawing import draw
from tools.sample.loop import Stage, write
from tools.sample.modules import SCALE, make_unet, noise_schedule
from tools.sample.text import BEFORE, LENGTH, Words, encode, training_scenes
from tools.sample.vae import as_pixels

BATCH = 32
WITHOUT_CAPTION = 0.1
"""The share of pictures trained on without their captions: guidance needs both."""
LEAST, MOST = 0.1, 5.0
"""Bounds of the weight that a step of the noise has, relative to an error in the picture.

The upper one is Min-SNR-5; without the lower one, the words are ignored where they count most.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What the UNet learns from: latents (n, 4, h, w), text states (n, 21, 64) and (1, 21, 64)."""

    latents: torch.Tensor
    states: torch.Tensor
    empty: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoders:
    """What turns pictures and captions into numbers: the VAE, and the text encoder's words."""

    vae: torch.nn.Module
    text: torch.nn.Module
    words: Words


def prepare(path: Path, size: int, count: int, encoders: Encoders) -> Pictures:
    """Return `count` pictures of this size with their captions, and keep them in the file."""
    if not path.exists():
        scenes = training_scenes(count, size)
        latents = []
        with torch.no_grad():
            for start in range(0, count, 32):
                part = [draw(scene, size) for scene in scenes[start : start + 32]]
                latents.append(encoders.vae.encode(as_pixels(part)).latent_dist.mean * SCALE)
        words = encoders.words
        states = encode(encoders.text, words.rows([scene.caption for scene in scenes]))
        empty = encode(encoders.text, words.rows([""]))
        write(path, {"latents": torch.cat(latents), "states": states, "empty": empty})
    return Pictures(**torch.load(path))


def unet_stage(name: str, pictures: Pictures, steps: int, rate: float, batch: int = BATCH) -> Stage:
    """Return a stage that trains the UNet to find the noise in latents."""
    unet = make_unet()
    torch.nn.init.zeros_(unet.conv_out.weight)
    torch.nn.init.zeros_(unet.conv_out.bias)
    kept = noise_schedule()
    # The last state counts as all the padding does. diffusers makes (1 - mask) * -10000 of a mask.
    mask = torch.ones(batch, BEFORE + 1)
    mask[:, BEFORE] += math.log(LENGTH - BEFORE) / 1e4

    def loss(_step: int, randoms: torch.Generator) -> torch.Tensor:
        pick = torch.randint(len(pictures.latents), (batch,), generator=randoms)
        latents, states = pictures.latents[pick], pictures.states[pick]
        without = torch.rand((batch, 1, 1), generator=randoms) < WITHOUT_CAPTION
        states = torch.where(without, pictures.empty, states)
        times = draw_times(batch, randoms)
        signal = kept[times].view(-1, 1, 1, 1)
        noise = torch.randn(latents.shape, generator=randoms)
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        found = unet(noisy, times, states, encoder_attention_mask=mask).sample
        ratio = kept[times] / (1 - kept[times])
        return ((found - noise).square().mean((1, 2, 3)) * ratio.clamp(LEAST, MOST) / ratio).mean()

    return Stage(name=name, steps=steps, rate=rate, modules=unet, loss=loss)


def draw_times(count: int, randoms: torch.Generator) -> torch.Tensor:
    """Draw `count` steps of the noise, 0 to 999, spread evenly; half of them are above 750.

    Only where the noise hides the picture do the words tell anything.
    """
    even = (torch.arange(count) + torch.rand(count, generator=randoms)) / count
    return (1000 * (1 - (1 - even).square())).long().clamp(0, 999)

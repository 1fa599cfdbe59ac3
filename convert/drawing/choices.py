"""What a person chooses for a picture. Without numpy, so that the command line starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SEEDS = 2**32
"""The number of seeds: the Swift package takes an unsigned number of 32 bits."""


class Method(Enum):
    """The schedulers by the names that `--scheduler` has for them."""

    PNDM = "pndm"
    DPM = "dpmpp"


class Spacing(Enum):
    """How DPM-Solver++ chooses its steps, by the names that `--spacing` has for it."""

    LINSPACE = "linspace"
    LEADING = "leading"
    KARRAS = "karras"


class Rng(Enum):
    """The random sources by the names that `--rng` has for them."""

    NUMPY = "numpy"
    TORCH = "torch"
    NVIDIA = "nvidia"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a person chooses for a picture.

    Attributes:
        steps: the number of steps; PNDM asks the UNet once more.
        guidance: how strongly the prompt counts; below 1, the negative prompt does not.
        method: the scheduler.
        spacing: how DPM-Solver++ spaces its steps.
        rng: the random source.
        seed: from 0 to 2³² - 1.
        strength: how much of `start` becomes noise; only with a picture to start from.
        latent_scale: the factor between the VAE's latents and the UNet's, which the app applies.
    """

    steps: int
    guidance: float
    method: Method
    spacing: Spacing
    rng: Rng
    seed: int
    latent_scale: float
    strength: float = 1.0

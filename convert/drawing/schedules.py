"""The noise schedules of Apple's Swift package: which steps are made, and how noisy each is.

Its betas are `scaled_linear` over 1000 steps whatever the model was trained with. Steps are whole
numbers, rounded where they fall between two. All arithmetic is in float32, as there: in float64,
some steps would be others (`golden/swift-runs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sdcoreml.convert.drawing.choices import Spacing
from sdcoreml.convert.models.schedule import BETAS, STEPS

Singles: TypeAlias = "NDArray[np.float32]"

_RHO = np.float32(7)
"""The exponent by which Karras's schedule spaces the noise levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The steps to make, in their order, and how much picture and noise each latent has.

    Attributes:
        timesteps: the steps that the UNet is asked for, from 999 to 0.
        signal: the factor of the picture in the latent of each of the 1000 steps, or of each
            entry of `timesteps` if `by_place`.
        noise: the factor of the noise, likewise.
        by_place: whether the levels lie between whole steps, so that the steps only name them.
    """

    timesteps: tuple[int, ...]
    signal: Singles
    noise: Singles
    by_place: bool = False

    def place(self, timestep: int) -> int:
        """Return where the factors of a timestep are; of equal timesteps, the first counts."""
        return self.timesteps.index(timestep) if self.by_place else timestep


def kept_shares() -> Singles:
    """Compute the share of the picture in the variance at each step (`alphas_cumprod`)."""
    first, last = (np.sqrt(np.float32(beta)) for beta in BETAS)
    betas = _spread(first, last, STEPS) ** 2
    return np.cumprod(np.float32(1) - betas, dtype=np.float32)


def pndm_levels(count: int) -> Levels:
    """Return the levels of PNDM, which makes its second step twice."""
    ratio = STEPS // count
    steps = [place * ratio + 1 for place in reversed(range(count))]
    return _at_steps([*steps[:2], *steps[1:]])


def solver_levels(spacing: Spacing, count: int) -> Levels:
    """Return the levels of DPM-Solver++ for this many steps."""
    return SPACINGS[spacing](count)


def first_place(count: int, steps: int, strength: float) -> int:
    """Return the place of the first of `count` timesteps that image to image makes.

    Args:
        count: the number of timesteps.
        steps: the number of steps asked for; PNDM has one timestep more.
        strength: how much of the picture is replaced by noise, more than 0 and at most 1.
    """
    return min(max(steps - int(np.float32(steps) * np.float32(strength)), 0), count)


def _linspace(count: int) -> Levels:
    spread = _spread(np.float32(0), np.float32(STEPS - 1), count + 1)
    return _at_steps([int(step + np.float32(0.5)) for step in spread[:0:-1]])


def _leading(count: int) -> Levels:
    ratio = (STEPS - 1) // (count + 1)
    return _at_steps([1 + place * ratio for place in range(count, 0, -1)])


def _karras(count: int) -> Levels:
    shares = kept_shares()
    sigmas = np.sqrt((1 - shares) / shares)
    most, least = (sigma ** (1 / _RHO) for sigma in (sigmas[-1], sigmas[0]))
    chosen = (most + _spread(np.float32(0), np.float32(1), count) * (least - most)) ** _RHO
    signal = 1 / np.sqrt(chosen**2 + 1)
    return Levels(
        timesteps=tuple(_nearest_step(np.log(sigma), np.log(sigmas)) for sigma in chosen),
        signal=signal,
        noise=chosen * signal,
        by_place=True,
    )


SPACINGS: Mapping[Spacing, Callable[[int], Levels]] = {
    Spacing.LINSPACE: _linspace,
    Spacing.LEADING: _leading,
    Spacing.KARRAS: _karras,
}


def _at_steps(timesteps: list[int]) -> Levels:
    shares = kept_shares()
    return Levels(
        timesteps=tuple(timesteps), signal=np.sqrt(shares), noise=np.sqrt(np.float32(1) - shares)
    )


def _nearest_step(level: np.float32, levels: Singles) -> int:
    """Return the step that is nearest to a level of noise, both as logarithms."""
    low = int(np.clip(np.searchsorted(levels, level, side="right") - 1, 0, len(levels) - 2))
    share = (levels[low] - level) / (levels[low] - levels[low + 1])
    share = np.clip(share, np.float32(0), np.float32(1))
    return int((1 - share) * np.float32(low) + share * np.float32(low + 1) + np.float32(0.5))


def _spread(first: np.float32, last: np.float32, count: int) -> Singles:
    """Return evenly spaced numbers from first to last."""
    step = (last - first) / np.float32(max(count - 1, 1))
    spread: Singles = first + np.arange(count, dtype=np.float32) * step
    return spread

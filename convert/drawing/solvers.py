"""PNDM and DPM-Solver++ 2M as Apple's Swift package computes them, in float32.

They differ from diffusers' in where they fall back to the first order, and in that a picture is
decoded from the last prediction of the clean latent, not from the last latent.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sdcoreml.convert.drawing.choices import Method, Spacing
from sdcoreml.convert.drawing.schedules import (
    Levels,
    Singles,
    first_place,
    kept_shares,
    pndm_levels,
    solver_levels,
)
from sdcoreml.convert.models.schedule import STEPS


class Scheduler(Protocol):
    """Makes the steps of one latent. It remembers earlier steps, so each latent needs its own."""

    @property
    def levels(self) -> Levels:
        """The steps to make."""
        ...

    @property
    def clean(self) -> Singles:
        """The clean latent as the last step predicted it."""
        ...

    def step(self, predicted: Singles, timestep: int, latent: Singles) -> Singles:
        """Return the next latent, given the noise that the UNet predicted in this one."""
        ...


def open_scheduler(method: Method, spacing: Spacing, steps: int) -> Scheduler:
    """Return a scheduler at its beginning; PNDM has only one spacing."""
    if method is Method.PNDM:
        return Pndm(steps)
    return DpmSolver(solver_levels(spacing, steps))


def remaining(levels: Levels, steps: int, strength: float) -> tuple[int, ...]:
    """Return the timesteps that image to image makes."""
    return levels.timesteps[first_place(len(levels.timesteps), steps, strength) :]


def add_noise(timestep: int, latent: Singles, noise: Singles) -> Singles:
    """Return a latent with as much noise as the schedule has at a timestep.

    With Karras's spacing, the first step then expects a little more or less noise: its level lies
    between two timesteps.
    """
    share = kept_shares()[timestep]
    noisy: Singles = np.sqrt(share) * latent + np.sqrt(np.float32(1) - share) * noise
    return noisy


class Pndm:
    """PNDM's linear multistep method (PLMS), of up to four steps, without Runge-Kutta steps.

    The first step is made again with the mean of the predictions at both of its ends.
    """

    def __init__(self, steps: int) -> None:
        self.levels = pndm_levels(steps)
        self.clean = np.zeros(0, np.float32)
        self._stride = STEPS // steps
        self._made = 0
        self._predictions: list[Singles] = []
        self._begin: Singles  # where the first step began

    def step(self, predicted: Singles, timestep: int, latent: Singles) -> Singles:
        """Return the next latent."""
        before = timestep - self._stride
        if self._made == 1:
            timestep, before = timestep + self._stride, timestep
        else:
            self._predictions = [*self._predictions[-3:], predicted]
        if self._made == 0:
            self._begin = latent
        elif self._made == 1:
            latent = self._begin
        combined = self._combine(predicted)
        self._made += 1
        return self._move(latent, timestep, before, combined)

    def _combine(self, predicted: Singles) -> Singles:
        """Return the prediction that the latest ones add up to (Adams-Bashforth)."""
        if len(self._predictions) == 1:
            if self._made == 0:
                return predicted
            mean: Singles = (predicted + self._predictions[0]) * np.float32(0.5)
            return mean
        weights = _ADAMS_BASHFORTH[len(self._predictions)]
        total = np.zeros_like(predicted)
        for weight, one in zip(weights, reversed(self._predictions), strict=True):
            total += np.float32(weight) * one
        return total

    def _move(self, latent: Singles, timestep: int, before: int, predicted: Singles) -> Singles:
        """Move a latent to the timestep `before`, with formula (9) of the paper on PNDM."""
        signal, noise = self.levels.signal[timestep], self.levels.noise[timestep]
        self.clean = (latent - noise * predicted) / signal
        signal_then = self.levels.signal[max(before, 0)]
        noise_then = self.levels.noise[max(before, 0)]
        share, share_then = signal**2, signal_then**2
        divisor = signal * noise_then * signal + signal * noise * signal_then
        moved: Singles = (signal_then / signal) * latent - (
            (share_then - share) / divisor
        ) * predicted
        return moved


class DpmSolver:
    """DPM-Solver++ of second order (2M).

    The first step is of first order; below 15 steps, so are the last two.
    """

    def __init__(self, levels: Levels) -> None:
        self.levels = levels
        self.clean = np.zeros(0, np.float32)
        self._before = self.clean
        self._made = 0

    def step(self, predicted: Singles, timestep: int, latent: Singles) -> Singles:
        """Return the next latent."""
        steps = self.levels.timesteps
        place = steps.index(timestep)
        is_last = place == len(steps) - 1
        here = self.levels.place(timestep)
        then = self.levels.place(0 if is_last else steps[place + 1])
        self._before = self.clean
        self.clean = (latent - self.levels.noise[here] * predicted) / self.levels.signal[here]
        is_first_order = self._made == 0 or (place >= len(steps) - 2 and len(steps) < _FEW)
        self._made += 1
        before = None if is_first_order else self.levels.place(steps[place - 1])
        return self._move(latent, here, then, before)

    def _move(self, latent: Singles, here: int, then: int, before: int | None) -> Singles:
        signal, noise = self.levels.signal, self.levels.noise
        stride = self._depth(then) - self._depth(here)
        factor = signal[then] * (np.exp(-stride) - 1)
        moved: Singles = (noise[then] / noise[here]) * latent - factor * self.clean
        if before is None or not stride:  # Karras's last step, and those that are there twice
            return moved
        ratio = (self._depth(here) - self._depth(before)) / stride
        slope: Singles = (self.clean - self._before) / ratio
        curved: Singles = moved - np.float32(0.5) * factor * slope
        return curved

    def _depth(self, place: int) -> np.float32:
        """Return half the logarithm of the ratio of signal and noise."""
        depth: np.float32 = np.log(self.levels.signal[place]) - np.log(self.levels.noise[place])
        return depth


_ADAMS_BASHFORTH = {
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}
_FEW = 15
"""With fewer steps, the last two are of first order."""

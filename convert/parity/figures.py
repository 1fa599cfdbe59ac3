"""How far results are from the expected ones, and how far they are allowed to be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.proof.decibels import IDENTICAL
from sdcoreml.convert.proof.record import FigureRecord
from sdcoreml.ground.errors import ParityError

Outputs: TypeAlias = "Mapping[str, torch.Tensor]"

RECOGNISABLE = 10.0
"""Least PSNR in dB between a module and itself with compressed weights."""

FLOORS: Mapping[Mode, float] = {Mode.FP32: 115.0, Mode.FP16: 65.0}
"""Least PSNR in dB at which a program counts as its module."""

UNREAD_FLOOR = 20.0
"""Floor in dB for an output that no client reads (`UNREAD`): enough to tell it from another one.
States of another place in the prompt, with the same spread, are about 13 dB away."""

ROUNDINGS = 15.0
"""dB below the module's own precision that its program may lie, as it rounds in other places.

Measured with ever sharper attention: 2 to 11 (`tests/inside/convert/programs/test_sharpness.py`).
"""

HALF = 78.0
"""dB between float32's 24 bits and float16's 11: `20 log10(2 ** 13)`."""

LEAST: Mapping[Mode, float] = {Mode.FP32: 60.0, Mode.FP16: 35.0}
"""The floor in dB that no module can relax; Apple's converter asks 35 dB of half precision."""


def relaxed_floor(mode: Mode, usual: float, own: float) -> float:
    """The floor, in dB, relaxed for a module whose own precision is `own`.

    Where attention is sharp, each rounding is amplified: a trained module in float32 may be less
    than 115 dB from itself in float64, and no program of it can do better.

    Args:
        mode: the precision that the program was run in.
        usual: the floor for a module that is precise.
        own: PSNR in dB of the module's float32 results against its float64 results.
    """
    allowed = own - (ROUNDINGS if mode is Mode.FP32 else HALF)
    return min(usual, max(LEAST[mode], allowed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How far one output is from the module's, in one precision, in the worst of the runs.

    `psnr` is `20 log10(range / rms)` in dB, of the module's range and the root mean square of the
    difference; `max_error` is the largest difference.
    """

    output: str
    mode: Mode
    psnr: float
    max_error: float
    floor: float

    @property
    def passed(self) -> bool:
        """Whether the floor is reached. A result that is not a number does not."""
        return self.psnr >= self.floor

    def record(self) -> FigureRecord:
        """For the manifest."""
        return FigureRecord(
            output=self.output,
            mode=self.mode.value,
            psnr=round(self.psnr, 2),
            max_error=float(f"{self.max_error:.3g}") if math.isfinite(self.max_error) else None,
            floor=self.floor,
        )


def compare(
    expected: Iterable[Outputs], actual: Iterable[Outputs], mode: Mode, floor: float
) -> tuple[Figures, ...]:
    """The figures of each output that both have, the worst of all runs.

    Raises:
        ParityError: the outputs are not of the same names and shapes.
    """
    worst: dict[str, tuple[float, float]] = {}
    for wanted, found in zip(expected, actual, strict=True):
        if wanted.keys() != found.keys():
            raise ParityError(f"the program has outputs {sorted(found)}, not {sorted(wanted)}")
        for name, reference_values in wanted.items():
            psnr, error = distance(reference_values, found[name])
            lowest, largest = worst.get(name, (math.inf, 0.0))
            worst[name] = (min(lowest, psnr), max(largest, error))
    return tuple(
        Figures(output=name, mode=mode, psnr=psnr, max_error=error, floor=floor)
        for name, (psnr, error) in worst.items()
    )


def distance(expected: torch.Tensor, actual: torch.Tensor) -> tuple[float, float]:
    """PSNR in dB and largest absolute error of one tensor against another.

    Where all that is expected is one number, its size stands for the range: a safety checker that
    was never trained gives every concept the same score.

    Raises:
        ParityError: the shapes differ.
    """
    if expected.shape != actual.shape:
        raise ParityError(f"shape {tuple(actual.shape)}, not {tuple(expected.shape)}")
    wanted, found = expected.double(), actual.double()
    difference = (wanted - found).abs()
    rms = float(difference.square().mean().sqrt())
    span = float(wanted.max() - wanted.min()) or float(wanted.abs().max())
    if rms == 0:
        return IDENTICAL, 0.0
    psnr = 20 * math.log10(span / rms) if 0 < span < math.inf and rms < math.inf else -IDENTICAL
    return psnr, float(difference.max())

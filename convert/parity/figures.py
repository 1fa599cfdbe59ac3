"""Measures the accuracy of results, and defines the accuracy that is required."""

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
"""The lowest acceptable PSNR in dB of a module with compressed weights against the original."""

FLOORS: Mapping[Mode, float] = {Mode.FP32: 115.0, Mode.FP16: 65.0}
"""The floor: the lowest acceptable PSNR in dB of a program against its module."""

UNREAD_FLOOR = 20.0
"""The floor in dB for an output that no client reads (`UNREAD`).

It is high enough to notice a wrong output: states from another position in the prompt reach only
about 13 dB.
"""

ROUNDINGS = 15.0
"""How far a program's PSNR may be below the module's own, in dB.

The program rounds at other points than the module. Measured with attention of increasing sharpness:
2 to 11 dB (`tests/inside/convert/programs/test_sharpness.py`).
"""

HALF = 78.0
"""What float16's 11 bits of precision lose against float32's 24, in dB: `20 log10(2 ** 13)`."""

LEAST: Mapping[Mode, float] = {Mode.FP32: 60.0, Mode.FP16: 35.0}
"""The lowest value in dB to which a floor can be relaxed. Apple's converter requires 35 dB."""


def relaxed_floor(mode: Mode, usual: float, own: float) -> float:
    """Return the floor, in dB, relaxed for a module whose own precision is `own`.

    Sharp attention amplifies rounding errors: a trained module's float32 results may have less than
    115 dB against its float64 results, and its program cannot do better.

    Args:
        mode: the precision that the program was run in.
        usual: the floor if the module is precise enough.
        own: PSNR in dB of the module's float32 results against its float64 results.
    """
    allowed = own - (ROUNDINGS if mode is Mode.FP32 else HALF)
    return min(usual, max(LEAST[mode], allowed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The accuracy of one output in one precision, in the worst of the runs.

    `psnr` is `20 log10(range / rms)` in dB, where `range` is that of the module's output and `rms`
    the root mean square of the difference. `max_error` is the largest difference.
    """

    output: str
    mode: Mode
    psnr: float
    max_error: float
    floor: float

    @property
    def passed(self) -> bool:
        """Whether the PSNR reaches the floor; never if the result is NaN."""
        return self.psnr >= self.floor

    def record(self) -> FigureRecord:
        """Return the figures as the manifest records them."""
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
    """Measure the accuracy of each output, in the worst of the runs.

    Raises:
        ParityError: the outputs have different names or shapes.
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
    """Return PSNR in dB and largest absolute error of one tensor against another.

    If all expected numbers are equal, their magnitude is used as the range: an untrained safety
    checker gives every concept the same score.

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

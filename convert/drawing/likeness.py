"""Says how alike two pictures are, and two latents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdcoreml.convert.drawing.pixels import Picture
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.proof.decibels import decibels

IMAGE_RANGE = 2.0
"""The range of an image from -1 to 1."""

_SIDE, _SIGMA = 11, 1.5
_STEADY = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)
_GREY = np.array([0.299, 0.587, 0.114])
"""The shares of red, green and blue in brightness (ITU-R BT.601)."""


def psnr(wanted: Singles, found: Singles, extent: float | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB.

    The peak is `extent`, by default the range of the wanted values. It is 999 if both are equal.
    """
    span = float(np.ptp(wanted)) if extent is None else extent
    error = float(np.sqrt(np.mean((np.float64(wanted) - np.float64(found)) ** 2)))
    return decibels(span, error)


def ssim(wanted: Picture, found: Picture) -> float:
    """Return the structural similarity of two pictures' brightness, at most 1.

    It is Wang's (2004), with a Gaussian window of 11 pixels and a sigma of 1.5.
    """
    one, two = (picture[:, :, :3].astype(np.float64) @ _GREY for picture in (wanted, found))
    mean_one, mean_two = _blur(one), _blur(two)
    spread_one = _blur(one * one) - mean_one**2
    spread_two = _blur(two * two) - mean_two**2
    together = _blur(one * two) - mean_one * mean_two
    low, high = _STEADY
    likeness = (2 * mean_one * mean_two + low) * (2 * together + high)
    likeness /= (mean_one**2 + mean_two**2 + low) * (spread_one + spread_two + high)
    return float(likeness.mean())


def _blur(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Blur a plane, without its edges, by a Gaussian."""
    places = np.arange(_SIDE) - _SIDE // 2
    window = np.exp(-(places**2) / (2 * _SIGMA**2))
    window /= window.sum()
    for axis in (0, 1):
        parts = np.lib.stride_tricks.sliding_window_view(plane, _SIDE, axis=axis)
        plane = parts @ window
    return plane

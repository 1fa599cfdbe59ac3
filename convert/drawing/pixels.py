"""Turns pictures into the numbers that programs take and back, in float32, as the apps do.

The apps leave the rounding to Apple's vImage. Here it is to the nearest byte, halves up, with NaN
as 0: see `golden/swift-runs`, which says what of it was not run on a Mac.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sdcoreml.convert.drawing.randoms import RandomSource
from sdcoreml.convert.drawing.schedules import Singles

Picture: TypeAlias = "NDArray[np.uint8]"
"""A picture of shape (height, width, channels): red, green, blue and perhaps alpha."""

_BYTE = np.float32(255)
_HOLE = np.float32(-1)
_MOST, _LEAST = np.float32(20), np.float32(-30)
"""The bounds of a log-variance."""


def to_picture(image: Singles) -> Picture:
    """Turn a decoder's image of shape (1, 3, height, width), from -1 to 1, into a picture."""
    share = np.clip((image[0] + np.float32(1)) * np.float32(0.5), 0, 1)
    level = np.floor(np.nan_to_num(share, nan=0) * _BYTE + np.float32(0.5))
    return np.ascontiguousarray(level.transpose(1, 2, 0)).astype(np.uint8)


def to_image(picture: Picture, least: float) -> Singles:
    """Turn a picture into an image of shape (1, 3, height, width), from `least` to 1.

    A pixel whose alpha, scaled like its colours, is exactly 0 is a hole: all its colours are -1.
    So the picture for a ControlNet, from 0 to 1, has holes where it is transparent, and the one
    for the VAE encoder, from -1 to 1, has none.
    """
    low = np.float32(least)
    levels: Singles = low + (np.float32(1) - low) * picture.astype(np.float32) / _BYTE
    if picture.shape[2] > _COLOURS:
        levels[levels[:, :, _COLOURS] == 0] = _HOLE
    return np.ascontiguousarray(levels[None, :, :, :_COLOURS].transpose(0, 3, 1, 2))


def sample_latent(moments: Singles, source: RandomSource, scale: float) -> Singles:
    """Draw a latent from a VAE encoder's output of shape (1, 8, height, width)."""
    mean, variance = np.split(moments, 2, axis=1)
    spread = np.exp(np.float32(0.5) * np.clip(variance, _LEAST, _MOST))
    drawn = source.draw_each(mean.size).reshape(mean.shape)
    drawn = drawn * np.float64(spread) + np.float64(mean)
    latent: Singles = drawn.astype(np.float32) * np.float32(scale)
    return latent


_COLOURS = 3

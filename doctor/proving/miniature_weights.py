"""Derives the miniature's weights from the tensors' names, identically on every machine.

SHAKE-256 of the name gives 32-bit words; each is scaled by one multiplication, whose rounding IEEE
754 defines. No library's random numbers are used, since they change with its versions.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from sdcoreml.convert.weights.torch_writer import FloatTensor

SEED = "sdcoreml sample 1"


def draw_tensor(name: str, shape: tuple[int, ...]) -> FloatTensor:
    """Draw uniform numbers in the range that PyTorch initialises such a tensor with.

    Norms get scales around 1 and shifts around 0 instead: exact ones and zeros would hide faults.
    """
    words = hashlib.shake_256(f"{SEED}: {name}".encode()).digest(4 * math.prod(shape))
    middle, spread = _range(name, shape)
    numbers = np.frombuffer(words, "<i4") * (spread / 2**31) + middle
    return FloatTensor(shape=shape, data=numbers.astype("<f4").tobytes())


def _range(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the middle of a tensor's range of numbers, and their largest distance from it."""
    if "embedding.weight" in name:  # rows that are looked up, not multiplied
        return 0.0, 0.03
    if len(shape) > 1:
        return 0.0, 1 / math.sqrt(math.prod(shape[1:]))
    return (1.0, 0.5) if name.endswith("weight") else (0.0, 0.15)

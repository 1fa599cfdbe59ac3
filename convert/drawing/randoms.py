"""The three random sources of Apple's Swift package, equal to it seed for seed.

`golden/swift-runs/random.json` holds what the Swift sources draw. Each source has two streams that
share its state: an array at once, which is a picture's first noise, and single numbers, with which
the VAE encoder's distribution is sampled. All numbers are standard normal and float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sdcoreml.convert.drawing.choices import SEEDS, Rng

Doubles: TypeAlias = "NDArray[np.float64]"
Words: TypeAlias = "NDArray[np.uint64]"


class RandomSource(Protocol):
    """A source of standard normal numbers."""

    def draw_array(self, count: int) -> Doubles:
        """Draw the numbers of one array, as `normalShapedArray` does."""
        ...

    def draw_each(self, count: int) -> Doubles:
        """Draw numbers one after another, as `nextNormal` does."""
        ...


def open_source(rng: Rng, seed: int) -> RandomSource:
    """Return a new source; `seed` is from 0 to 2³² - 1."""
    return SOURCES[rng](seed)


class NumpySource:
    """The apps' default: numpy's legacy generator, whose stream numpy promises never to change."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def draw_array(self, count: int) -> Doubles:
        """Draw the numbers of one array."""
        return self._state.standard_normal(count)

    def draw_each(self, count: int) -> Doubles:
        """Draw numbers one after another: the same stream."""
        return self._state.standard_normal(count)


class TorchSource:
    """torch's generator on a CPU, seeded in its way, which is numpy's legacy way.

    An array of 16 numbers or more is drawn in blocks from floats of 24 bits; if its length is no
    multiple of 16, Apple draws the last 16 again from doubles. Single numbers, and shorter arrays,
    come in pairs from doubles of 53 bits.
    """

    def __init__(self, seed: int) -> None:
        self._words = _twister(seed)
        self._kept: float | None = None

    def draw_array(self, count: int) -> Doubles:
        """Draw the numbers of one array."""
        if count < _BLOCK:
            return self.draw_each(count)
        drawn: Doubles = (self._words(count) & _MASK_24) * 2.0**-24
        whole = count - count % _BLOCK
        drawn[:whole] = _normal_blocks(drawn[:whole])
        if whole != count:
            drawn[-_BLOCK:] = _normal_blocks(self._doubles(_BLOCK))
        return drawn

    def draw_each(self, count: int) -> Doubles:
        """Draw numbers one after another."""
        kept = [] if self._kept is None else [self._kept]
        pairs = max(count - len(kept) + 1, 0) // 2
        pair = self._doubles(2 * pairs).reshape(pairs, 2)
        radius, angle = np.sqrt(-2 * np.log(1 - pair[:, 1])), 2 * np.pi * pair[:, 0]
        drawn = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
        every: Doubles = np.concatenate([kept, drawn])
        self._kept = float(every[count]) if len(every) > count else None
        return every[:count]

    def _doubles(self, count: int) -> Doubles:
        high, low = self._words(2 * count).reshape(count, 2).T
        found: Doubles = ((high << _HALF | low) & _MASK_53) * 2.0**-53
        return found


class NvidiaSource:
    """torch's generator on an Nvidia GPU: Philox 4x32 with ten rounds.

    Each draw takes the next offset, and the number at a place of an array has that place as its
    counter. Of the four words of a counter, two make the number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._offset = 0

    def draw_array(self, count: int) -> Doubles:
        """Draw the numbers of one array."""
        drawn = self._normal(np.full(count, self._offset), np.arange(count))
        self._offset += 1
        return drawn

    def draw_each(self, count: int) -> Doubles:
        """Draw numbers one after another, each as an array of one."""
        offsets = np.arange(self._offset, self._offset + count)
        self._offset += count
        return self._normal(offsets, np.zeros(count))

    def _normal(self, offsets: NDArray[Any], places: NDArray[Any]) -> Doubles:
        first, second = _philox(self._seed, offsets, places)
        share, turn = first * 2.0**-32 + 2.0**-33, second * (2.0**-32 * 2 * np.pi)
        found: Doubles = np.sqrt(-2 * np.log(share)) * np.sin(turn + 2.0**-33 * 2 * np.pi)
        return found


SOURCES: Mapping[Rng, Callable[[int], RandomSource]] = {
    Rng.NUMPY: NumpySource,
    Rng.TORCH: TorchSource,
    Rng.NVIDIA: NvidiaSource,
}

_BLOCK = 16
_HALF = np.uint64(32)
_MASK_24, _MASK_32, _MASK_53 = (np.uint64(2**bits - 1) for bits in (24, 32, 53))

_PHILOX_A, _PHILOX_B = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def _twister(seed: int) -> Callable[[int], Words]:
    """Return a function that draws the next words of a Mersenne twister with this seed."""
    twister = np.random.MT19937()
    state: Any = np.random.RandomState(seed).get_state(legacy=False)
    twister.state = state

    def draw(count: int) -> Words:
        return twister.random_raw(count)

    return draw


def _normal_blocks(uniform: Doubles) -> Doubles:
    """Turn uniform numbers into normal ones: in each block of 16, the halves make pairs."""
    blocks = uniform.reshape(-1, 2, _BLOCK // 2)
    radius, angle = np.sqrt(-2 * np.log(1 - blocks[:, 0])), 2 * np.pi * blocks[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()


def _philox(seed: int, offsets: NDArray[Any], places: NDArray[Any]) -> tuple[Words, Words]:
    """Return the first two words of Philox for each counter, an offset and a place."""
    word = [offsets.astype(np.uint64), np.zeros(len(places), np.uint64)]
    word += [places.astype(np.uint64), np.zeros(len(places), np.uint64)]
    keys = [seed, 0]
    for _ in range(_ROUNDS):
        a, b = word[0] * _PHILOX_A, word[2] * _PHILOX_B
        key = [np.uint64(one) for one in keys]
        word = [
            (b >> _HALF) ^ word[1] ^ key[0],
            b & _MASK_32,
            (a >> _HALF) ^ word[3] ^ key[1],
            a & _MASK_32,
        ]
        keys = [(one + step) % SEEDS for one, step in zip(keys, _WEYL, strict=True)]
    return word[0], word[1]

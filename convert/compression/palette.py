"""Computes histograms and simple palettes of float16 weights, and the codes of their elements.

Each element has one of 65,536 values, so a histogram describes a weight of any size.
`convert.compression.clustering` finds the best palette for a histogram.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdcoreml.ground.errors import BadInputError

if TYPE_CHECKING:
    import numpy as np

VALUES = 1 << 16
_SIGN = 1 << 15
"""The first float16 bit pattern of a negative number. From it on, numbers descend."""

BITS = (1, 2, 3, 4, 6, 8)
"""The supported code widths; Core ML reads 3-bit codes from iOS 18 and macOS 15 on."""

_COUNTED = 1 << 20


@dataclass(frozen=True, slots=True)
class Histogram:
    """The distinct values of a tensor in ascending order, and how often each occurs."""

    values: np.ndarray
    counts: np.ndarray


def histogram(blocks: Iterable[np.ndarray], where: str = "weight") -> Histogram:
    """Count how often each value occurs among float16 elements.

    `where` names the weight in errors.

    Raises:
        BadInputError: an element is not finite.
    """
    import numpy as np

    tallies = [
        _tally(block[start : start + _COUNTED].view(np.uint16))
        for block in blocks
        for start in range(0, block.size, _COUNTED)  # bincount widens its argument
    ]
    found, counts = (np.concatenate(column) for column in zip(*tallies, strict=True))
    if len(tallies) > 1:
        found, counts = _present(np.bincount(found, weights=counts).astype(np.int64))
    first_negative = np.searchsorted(found, _SIGN)
    ascending = np.concatenate(
        (np.arange(first_negative, found.size)[::-1], np.arange(first_negative))
    )
    values = found[ascending].view(np.float16).astype(np.float64)
    if not np.isfinite(values).all():
        raise BadInputError(
            "holds infinities or NaN", where=where, remedy="get the checkpoint again"
        )
    return Histogram(values, counts[ascending])


def _tally(patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bit patterns that occur, uint16, ascending, and how often each does, int64."""
    import numpy as np

    if patterns.size >= VALUES:
        return _present(np.bincount(patterns, minlength=VALUES))
    ordered = np.sort(patterns, kind="stable")  # faster for so few than counting all patterns
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), ordered.size - 1)
    return ordered[ends], np.diff(ends, prepend=-1)


def _present(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the nonzero `counts`, uint16, and those counts."""
    import numpy as np

    found = np.flatnonzero(counts > 0)
    return found.astype(np.uint16), counts[found]


def uniform(data: Histogram, size: int) -> np.ndarray:
    """Return a palette of `size` equally spaced float16 values, from smallest to largest."""
    import numpy as np

    return np.linspace(data.values[0], data.values[-1], size).astype(np.float16)


def error(data: Histogram, palette: np.ndarray) -> float:
    """Return the sum of the squared differences between each element and its nearest entry."""
    import numpy as np

    entries = palette.astype(np.float64)
    nearest = entries[np.searchsorted((entries[:-1] + entries[1:]) / 2, data.values)]
    return float((data.counts * (data.values - nearest) ** 2).sum())


def code_table(palette: np.ndarray) -> np.ndarray:
    """Return the index, uint8, of the nearest palette entry for each of the 65,536 bit patterns.

    `palette` is ascending. A value halfway between two entries gets the lower one; NaN gets an
    arbitrary one.
    """
    import numpy as np

    entries = palette.astype(np.float64)
    borders = np.searchsorted(_numbers(), (entries[:-1] + entries[1:]) / 2, side="right")
    ascending = np.empty(VALUES, np.uint8)
    for number, (begin, end) in enumerate(itertools.pairwise((0, *borders, VALUES))):
        ascending[begin:end] = number
    return np.concatenate((ascending[_SIGN:], ascending[:_SIGN][::-1]))


@functools.cache
def _numbers() -> np.ndarray:
    """Return the values of all float16 bit patterns, float64, ascending; NaN counts as infinity."""
    import numpy as np

    positive = np.arange(_SIGN, dtype=np.uint16).view(np.float16).astype(np.float64)
    positive[np.isnan(positive)] = np.inf
    return np.concatenate((-positive[::-1], positive))


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Pack codes of `bits` bits each into bytes, beginning at the lowest bits.

    Only the last call for a tensor may pass codes that do not fill whole bytes.
    """
    import numpy as np

    whole = np.concatenate((codes, np.zeros(-codes.size % 8, np.uint8)))
    words = whole.view("<u8")  # eight codes each: single codes move, then pairs, then fours
    for room, used in ((8, bits), (16, 2 * bits), (32, 4 * bits)):
        low = np.uint64(sum((1 << used) - 1 << place for place in range(0, 64, 2 * room)))
        moved = words >> np.uint64(room - used)
        moved &= low << np.uint64(used)
        words &= low
        words |= moved
    packed = np.ascontiguousarray(words.view(np.uint8).reshape(-1, 8)[:, :bits])
    return packed.reshape(-1)[: -(-codes.size * bits // 8)]


def pad_palette(values: np.ndarray, size: int) -> np.ndarray:
    """Extend a palette that has too few values by repeating the last one."""
    import numpy as np

    full = np.concatenate((values, np.repeat(values[-1:], size - values.size)))
    return np.sort(full.astype(np.float16))

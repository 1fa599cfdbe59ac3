"""Reads a weight's numbers block by block, and adds up how far their compressed form is off."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from sdcoreml.convert.storage.elements import Array

BLOCK = 1 << 18
"""The number of elements compared at a time: they fit a processor's cache and fill whole bytes."""

_EDGE = 4.0
"""How many times as far as the nearest representable number the chosen one may be.

coremltools divides in half precision, so a number 0.2 to 0.8 of the way between two codes can get
either.
"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a weight before compression, flat, as float16 or float32.

    `count_read` is told the bytes of each block that is read.
    """

    flat: Array
    dtype: type[np.float16 | np.float32]
    count_read: Callable[[int], None]

    def block(self, start: int, stop: int) -> Array:
        """Return the numbers from `start` to `stop`, rounded to the weight's type."""
        import numpy as np

        self.count_read((stop - start) * self.flat.itemsize)
        with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is wrong
            return self.flat[start:stop].astype(self.dtype, copy=False)

    def wide_block(self, start: int, stop: int) -> Array:
        """Return the same numbers as `block`, widened to float32."""
        import numpy as np

        return self.block(start, stop).astype(np.float32, copy=False)

    def span(self) -> tuple[float, float]:
        """Return the smallest and the largest number; infinities if a number is not finite."""
        blocks = [_span(self.block(*piece)) for piece in pieces(0, self.flat.size)]
        if not blocks or not all(math.isfinite(number) for block in blocks for number in block):
            return -math.inf, math.inf
        return min(low for low, _ in blocks), max(high for _, high in blocks)


def _span(block: Array) -> tuple[float, float]:
    """Return the smallest and the largest number; one of them is not finite if any number is not.

    Bit patterns are compared, which is much faster than comparing halves: those of positive numbers
    are in the order of their numbers, those of negative ones follow in the opposite order.
    """
    import numpy as np

    signed, unsigned = block.view(f"i{block.itemsize}"), block.view(f"u{block.itemsize}")
    high, low = signed.max(), unsigned.max().astype(signed.dtype)
    if high < 0:
        high = signed.min()  # all are negative
    if low >= 0:
        low = unsigned.min()  # none is
    ends = np.array((low, high)).astype(signed.dtype).view(block.dtype)
    return float(ends[0]), float(ends[1])


@dataclass(slots=True, kw_only=True)
class Tally:
    """The results of the comparison so far.

    Attributes:
        slack: how much farther the chosen number may be because of a table or scale in float16.
        lowest, highest: the smallest and the largest number of the weight.
        wrong: the number of codes whose numbers are farther off than `slack` and `_EDGE` allow.
        is_nearest: whether every code is exactly the best one.
        squares: the sum of squared errors.
    """

    slack: float
    lowest: float = 0.0
    highest: float = 0.0
    wrong: int = 0
    is_nearest: bool = True
    squares: float = 0.0

    def add(self, wanted: Array, values: Array, nearest: Array) -> None:
        """Add numbers, their represented values, and the nearest representable values: float32."""
        self._judge(wanted, values, nearest)
        self.squares += _sum_squares(wanted - values)

    def add_nearest(self, squares: Array) -> None:
        """Add the squared errors (float64) of numbers, as if all had the nearest values.

        `correct` adjusts the result where they have not.
        """
        self.squares += float(squares.sum())

    def correct(self, wanted: Array, values: Array, nearest: Array) -> None:
        """Adjust the result for numbers that are not represented by the nearest values: float32."""
        self._judge(wanted, values, nearest)
        self.squares += _sum_squares(wanted - values) - _sum_squares(wanted - nearest)

    def refuse(self, count: int) -> None:
        """Add numbers whose represented values are all wrong."""
        self.wrong += count
        self.is_nearest = False

    def _judge(self, wanted: Array, values: Array, nearest: Array) -> None:
        import numpy as np

        error, least = np.abs(wanted - values), np.abs(wanted - nearest)
        # What is not a number is wrong, too: no comparison with it holds.
        self.wrong += int(error.size - (error <= _EDGE * least + self.slack).sum())
        self.is_nearest &= bool((error <= least).all())


def _sum_squares(error: Array) -> float:
    import numpy as np

    return float(np.square(error, dtype=np.float64).sum())


def pieces(start: int, stop: int, each: int = 1) -> Iterator[tuple[int, int]]:
    """Split a range of rows of `each` elements into pieces of about `BLOCK` elements."""
    rows = max(1, BLOCK // each)
    for begin in range(start, stop, rows):
        yield begin, min(begin + rows, stop)

"""Compares a weight's numbers with those that its compressed form represents, block by block.

A float16 weight has 65,536 possible numbers. For a palette, everything to check follows from
tables of the nearest code and its error for each of them, at a few nanoseconds per element; only
codes that are not the nearest are examined one by one. Memory does not depend on the size of the
weight.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sdcoreml.convert.storage.elements import unpack
from sdcoreml.ground.errors import ParityError

if TYPE_CHECKING:
    import numpy as np

    from sdcoreml.convert.storage.elements import Array

BLOCK = 1 << 18
"""The number of elements compared at a time: they fit a processor's cache and fill whole bytes."""

_PATTERNS = 1 << 16
_SIGN = 1 << 15

_EDGE = 4.0
"""How many times as far as the nearest representable number the chosen one may be.

coremltools divides in half precision, so a number 0.2 to 0.8 of the way between two codes can get
either.
"""

_HALF_STEP = 2.0**-10
"""The largest rounding error of a float16 table or scale, relative to its largest number."""


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


class Form(Protocol):
    """A form of compression, with the content of one weight."""

    @property
    def method(self) -> str:
        """The form's name, for a summary."""
        ...

    @property
    def rounds(self) -> bool:
        """Whether each number is rounded; otherwise, some are dropped."""
        ...

    def compare(self, numbers: Numbers, tally: Tally) -> None:
        """Add every number to the tally."""
        ...


def compare(form: Form, numbers: Numbers) -> Tally:
    """Compare a compressed weight with the numbers that it was made from."""
    lowest, highest = numbers.span()
    largest = max(-lowest, highest)
    if not math.isfinite(largest):
        return Tally(slack=0.0, wrong=numbers.flat.size, is_nearest=False)
    tally = Tally(slack=_HALF_STEP * largest, lowest=lowest, highest=highest)
    form.compare(numbers, tally)
    return tally


def pieces(start: int, stop: int, length: int | None = None) -> Iterator[tuple[int, int]]:
    """Split the range into pieces of `length` (default: `BLOCK`); the last may be shorter."""
    length = length or BLOCK
    for begin in range(start, stop, length):
        yield begin, min(begin + length, stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Packed codes of `bits` bits, and a table for each group of equally many elements.

    `codes` are the bytes as stored, uint8; `tables` have a row for each group.
    """

    codes: Array
    tables: Array
    bits: int
    count: int
    rounds = True

    @property
    def method(self) -> str:
        """The form's name, for a summary."""
        return f"{self.bits}-bit palette"

    def compare(self, numbers: Numbers, tally: Tally) -> None:
        """Add every number to the tally."""
        import numpy as np

        each = self.count // len(self.tables)
        compare = _compare_halves if numbers.dtype is np.float16 else _compare_singles
        for number, table in enumerate(self.tables):
            if np.isfinite(table).all():
                compare(self, numbers, table, (number * each, (number + 1) * each), tally)
            else:
                tally.refuse(each)

    def codes_at(self, start: int, stop: int) -> Array:
        """Return the codes of these elements, uint8."""
        lead = start % 8  # eight codes fill whole bytes
        first = (start - lead) * self.bits // 8
        last = -(-stop * self.bits // 8)
        return unpack(self.codes[first:last], self.bits, stop - start + lead)[lead:]


def _compare_halves(
    palette: Palette, numbers: Numbers, table: Array, group: tuple[int, int], tally: Tally
) -> None:
    import numpy as np

    nearest, squares = _nearest(table, max(-tally.lowest, tally.highest))
    entries = table.astype(np.float32)
    for start, stop in pieces(*group):
        places = numbers.block(start, stop).view(np.uint16).astype(np.intp)
        codes = palette.codes_at(start, stop)
        best = nearest.take(places)
        tally.add_nearest(squares.take(places))
        differs = best != codes
        if differs.any():
            other = np.flatnonzero(differs)
            wanted = _halves()[places[other]].astype(np.float32)
            tally.correct(wanted, entries[codes[other]], entries[best[other]])


def _compare_singles(
    palette: Palette, numbers: Numbers, table: Array, group: tuple[int, int], tally: Tally
) -> None:
    import numpy as np

    entries = table.astype(np.float32)
    ordered = np.sort(entries)
    between = (ordered[1:] + ordered[:-1]) / 2
    for start, stop in pieces(*group):
        wanted = numbers.wide_block(start, stop)
        nearest = ordered[np.searchsorted(between, wanted)]
        tally.add(wanted, entries[palette.codes_at(start, stop)], nearest)


@functools.cache
def _halves() -> Array:
    """Return the value of each of the 65,536 float16 bit patterns, as float64."""
    import numpy as np

    return np.arange(_PATTERNS, dtype=np.uint16).view(np.float16).astype(np.float64)


def _nearest(table: Array, largest: float) -> tuple[Array, Array]:
    """Return the code, uint8, and the squared error, float64, of the nearest entry of a table.

    Both have a place for each of the 65,536 float16 bit patterns; those of absolute values above
    `largest` are arbitrary. Of two equally near entries, either may be chosen.
    """
    import numpy as np

    order = np.argsort(table, kind="stable").astype(np.uint8)
    ordered = table[order].astype(np.float64)
    count = int(np.float16(largest).view(np.uint16)) + 1
    positive = _halves()[:count]
    middles = (ordered[1:] + ordered[:-1]) / 2
    codes, squares = np.empty(_PATTERNS, np.uint8), np.empty(_PATTERNS, np.float64)
    for first, sign in ((0, 1), (_SIGN, -1)):  # patterns of negative numbers are in reverse order
        borders = np.searchsorted(positive, sign * middles[::sign], side="right")
        found = np.repeat(order[::sign], np.diff(borders, prepend=0, append=count))
        codes[first : first + count] = found
        error = table.astype(np.float64).take(found) - sign * positive
        np.square(error, out=squares[first : first + count])
    return codes, squares


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Codes that represent `(codes - zero) * scale`.

    Scale and zero point are float32 and broadcast to the codes' shape.
    """

    codes: Array
    scale: Array
    zero: Array
    rounds = True

    @property
    def method(self) -> str:
        """The form's name, for a summary."""
        return f"{self.codes.dtype.name} linear"

    def compare(self, numbers: Numbers, tally: Tally) -> None:
        """Add every number to the tally, some rows of the first axis at a time."""
        import numpy as np

        limits = np.iinfo(self.codes.dtype)
        rows = len(self.codes)
        each = self.codes.size // rows
        for begin, end in pieces(0, rows, max(1, BLOCK // each)):
            codes = self.codes[begin:end]
            scale, zero = (
                part[begin:end] if len(part) == rows else part for part in (self.scale, self.zero)
            )
            wanted = numbers.wide_block(begin * each, end * each).reshape(codes.shape)
            best = np.clip(np.rint(wanted / scale + zero), limits.min, limits.max)
            tally.add(wanted, (codes - zero) * scale, (best - zero) * scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparse:
    """Numbers that are kept exactly, and a bit for each element that says whether it is kept.

    `mask` has packed bits, uint8; `kept` is float32. A dropped number must be smaller than all
    kept.
    """

    mask: Array
    kept: Array
    count: int
    rounds = False
    method = "sparse"

    def compare(self, numbers: Numbers, tally: Tally) -> None:
        """Add every number to the tally."""
        import numpy as np

        least = float(np.abs(self.kept).min(initial=math.inf))
        used = 0  # of the kept numbers
        for start, stop in pieces(0, self.count):
            mask = unpack(self.mask[start // 8 : -(-stop // 8)], 1, stop - start).astype(bool)
            values = np.zeros(stop - start, np.float32)
            more = int(mask.sum())
            if used + more > self.kept.size:
                raise ParityError(
                    f"the mask keeps more numbers than the {self.kept.size} that are stored"
                )
            values[mask] = self.kept[used : used + more]
            used += more
            wanted = numbers.wide_block(start, stop)
            tally.add(wanted, values, np.where(mask, wanted, wanted - least))

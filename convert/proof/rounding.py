"""Compares a weight's numbers with those that its compressed form represents, block by block.

A float16 weight has 65,536 possible numbers. For a palette, everything to check follows from a
table of nearest codes and a histogram, at a few nanoseconds per element; only codes that are not
the nearest are examined one by one. Memory does not depend on the size of the weight.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
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
_INFINITE = 0x7C00
"""The first float16 bit pattern that is not finite: from here on, infinity and NaN."""

_EDGE = 4.0
"""How many times as far as the nearest representable number the chosen one may be.

coremltools divides in half precision, so a number 0.2 to 0.8 of the way between two codes can get
either.
"""

_HALF_STEP = 2.0**-10
"""The largest rounding error of a float16 table or scale, relative to its largest number."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a weight before compression, flat, as float16 or float32."""

    flat: Array
    dtype: type[np.float16 | np.float32]

    def block(self, start: int, stop: int) -> Array:
        """Return the numbers from `start` to `stop`, rounded to the weight's type."""
        import numpy as np

        with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is wrong
            return self.flat[start:stop].astype(self.dtype, copy=False)

    def wide_block(self, start: int, stop: int) -> Array:
        """Return the same numbers as `block`, widened to float32."""
        import numpy as np

        return self.block(start, stop).astype(np.float32, copy=False)

    def largest(self) -> float:
        """Return the largest absolute value; infinity if a number is not finite."""
        blocks = (self.block(*piece) for piece in pieces(0, self.flat.size))
        return max(map(_largest, blocks), default=0.0)


def _largest(block: Array) -> float:
    """Return the largest absolute value; infinity also for NaN.

    Without their signs, bit patterns are in the order of their numbers, and much faster to compare
    than halves.
    """
    bits = f"u{block.itemsize}"
    sizes = block.view(bits) << 1 >> 1
    number = float(sizes.max(initial=0).astype(bits).view(block.dtype))
    return math.inf if math.isnan(number) else number


@dataclass(slots=True, kw_only=True)
class Tally:
    """The results of the comparison so far.

    Attributes:
        slack: how much farther the chosen number may be because of a table or scale in float16.
        wrong: the number of codes whose numbers are farther off than `slack` and `_EDGE` allow.
        is_nearest: whether every code is exactly the best one.
        squares: the sum of squared errors.
        lowest, highest: the smallest and the largest number so far.
    """

    slack: float
    wrong: int = 0
    is_nearest: bool = True
    squares: float = 0.0
    lowest: float = math.inf
    highest: float = -math.inf

    def add(self, wanted: Array, values: Array, nearest: Array) -> None:
        """Add numbers, their represented values, and the nearest representable values: float32."""
        self._judge(wanted, values, nearest)
        self.squares += _sum_squares(wanted - values)
        self._span(wanted)

    def add_counted(self, numbers: Array, counts: Array, nearest: Array) -> None:
        """Add distinct numbers (float64), their counts, and the nearest representable values.

        This assumes that the weight has the nearest ones; `correct` adjusts the result where it
        does not.
        """
        error = numbers - nearest
        self.squares += float((counts * error * error).sum())
        self._span(numbers)

    def correct(self, wanted: Array, values: Array, nearest: Array) -> None:
        """Adjust the result for numbers that are not represented by the nearest values: float32."""
        self._judge(wanted, values, nearest)
        self.squares += _sum_squares(wanted - values) - _sum_squares(wanted - nearest)

    def _judge(self, wanted: Array, values: Array, nearest: Array) -> None:
        import numpy as np

        error, least = np.abs(wanted - values), np.abs(wanted - nearest)
        # What is not a number is wrong, too: no comparison with it holds.
        self.wrong += int(error.size - (error <= _EDGE * least + self.slack).sum())
        self.is_nearest &= bool((error <= least).all())

    def _span(self, numbers: Array) -> None:
        self.lowest = min(self.lowest, float(numbers.min(initial=math.inf)))
        self.highest = max(self.highest, float(numbers.max(initial=-math.inf)))


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
    largest = numbers.largest()
    tally = Tally(slack=_HALF_STEP * largest)
    if not math.isfinite(largest):
        return Tally(slack=0.0, wrong=numbers.flat.size, is_nearest=False)
    form.compare(numbers, tally)
    return tally


def pieces(start: int, stop: int, length: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Split the range into pieces of `length`; the last may be shorter."""
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
            compare(self, numbers, table, (number * each, (number + 1) * each), tally)

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

    nearest = _nearest_codes(table)
    entries = table.astype(np.float32)
    counts = np.zeros(_PATTERNS, np.int64)
    for start, stop in pieces(*group):
        patterns = numbers.block(start, stop).view(np.uint16)
        places = patterns.astype(np.intp)
        counts += np.bincount(places, minlength=_PATTERNS)
        codes = palette.codes_at(start, stop)
        best = nearest[places]
        other = np.flatnonzero(best != codes)
        if other.size:
            wanted = _halves()[places[other]].astype(np.float32)
            tally.correct(wanted, entries[codes[other]], entries[best[other]])
    present = np.flatnonzero(counts)
    values = table.astype(np.float64)[nearest[present]]
    tally.add_counted(_halves()[present], counts[present], values)


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


def _nearest_codes(table: Array) -> Array:
    """Return the code, uint8, of the nearest entry for each of the 65,536 float16 bit patterns.

    Of two equally near entries, either may be chosen.
    """
    import numpy as np

    order = np.argsort(table, kind="stable").astype(np.uint8)
    ordered = table[order].astype(np.float64)
    positive = _halves()[:_INFINITE]
    ascending = np.concatenate((-positive[::-1], positive))
    borders = np.searchsorted(ascending, (ordered[1:] + ordered[:-1]) / 2, side="right")
    found = np.repeat(order, np.diff(borders, prepend=0, append=ascending.size))
    codes = np.zeros(_PATTERNS, np.uint8)
    codes[_SIGN : _SIGN + _INFINITE] = found[:_INFINITE][::-1]
    codes[:_INFINITE] = found[_INFINITE:]
    return codes


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

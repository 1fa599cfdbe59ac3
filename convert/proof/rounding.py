"""Compares a weight's numbers with those that its compressed form represents, block by block.

A float16 weight has 65,536 possible numbers. For a palette, everything to check follows from
tables of the nearest code and its error for each of them, at a few nanoseconds per element; only
codes that are not the nearest are examined one by one. Memory does not depend on the size of the
weight.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sdcoreml.convert.proof.tally import Numbers, Tally, pieces
from sdcoreml.convert.storage.elements import unpack
from sdcoreml.ground.errors import ParityError

if TYPE_CHECKING:
    from sdcoreml.convert.storage.elements import Array

_PATTERNS = 1 << 16
_SIGN = 1 << 15

_HALF_STEP = 2.0**-10
"""The largest rounding error of a float16 table or scale, relative to its largest number."""


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
    largest = max(abs(lowest), abs(highest))
    if not math.isfinite(largest):
        return Tally(slack=0.0, wrong=numbers.flat.size, is_nearest=False)
    tally = Tally(slack=_HALF_STEP * largest, lowest=lowest, highest=highest)
    form.compare(numbers, tally)
    return tally


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

    nearest, squares = _nearest(table, max(abs(tally.lowest), abs(tally.highest)))
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
        for begin, end in pieces(0, rows, each):
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

"""Palettes for float16 weights: the best few values, from a histogram.

A float16 weight has one of 65,536 values, so however large a tensor is, its histogram says it all.
Dynamic programming finds the best partition of the histogram: in one dimension k-means need not
guess. Large histograms are first put into cells much narrower than an entry's share; afterwards the
borders move, all at once, from those of cells to where they belong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convert.errors import BadInputError

if TYPE_CHECKING:
    import numpy as np

VALUES = 1 << 16
BITS = (1, 2, 3, 4, 6, 8)
"""Widths of codes; those of 3 bits Core ML reads from iOS 18 and macOS 15 on."""

CELLS = {2: 256, 4: 128, 8: 96, 16: 64, 64: 24, 256: 4}
"""Cells for each entry of a palette of so many entries."""

LEAST_CELLS = 512
"""Up to here a run may have any number of cells."""

REACH = 8
"""Beyond, a run has at most this many times the average number of cells."""

_PARTS = (1 / 4, 1 / 16, 0)
"""How far borders move at a time, as a part of the way to the next one, which a few moves reach:
so an entry can change places with a gap far away. In the end (0) it is one value at a time."""

_AROUND = 4
"""Moves to either side that are tried at once."""

_ROUNDS = 50
_COUNTED = 1 << 20


@dataclass(frozen=True, slots=True)
class Histogram:
    """The distinct values of a tensor in ascending order, and how often each occurs."""

    values: np.ndarray
    counts: np.ndarray


def histogram(blocks: Iterable[np.ndarray], where: str = "weight") -> Histogram:
    """Count float16 elements.

    Raises:
        BadInputError: an element is not finite.
    """
    import numpy as np

    counts = np.zeros(VALUES, np.int64)
    for block in blocks:
        for start in range(0, block.size, _COUNTED):  # bincount widens what it is given
            part = block[start : start + _COUNTED]
            counts += np.bincount(part.view(np.uint16), minlength=VALUES)
    values = np.arange(VALUES, dtype=np.uint16).view(np.float16).astype(np.float64)
    found = counts > 0
    if not np.isfinite(values[found]).all():
        raise BadInputError(f"{where}: holds infinities or NaN; get the checkpoint again")
    order = np.argsort(values[found], kind="stable")
    return Histogram(values[found][order], counts[found][order])


def cluster(data: Histogram, size: int) -> np.ndarray:
    """The palette of `size` float16 values, ascending, with the least squared error.

    With no more than `size` distinct values in the data it holds just them, the last repeated.
    """
    if data.values.size <= size:
        return _padded(data.values, size)
    weights, sums = _cells(data, max(LEAST_CELLS, CELLS[size] * size))
    return _padded(_settled(data, _partition(weights, sums, size)), size)


def _cells(data: Histogram, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The data in at most `count` cells: how many elements each holds, and their sum.

    Where entries of an optimal palette lie, there are as many cells: their number grows with the
    density to the power 1/3 (Panter and Dite), so every entry gets about the same number of them.
    """
    import numpy as np

    if data.values.size <= count:
        return data.counts.astype(np.float64), data.counts * data.values
    width = np.gradient(data.values)
    grown = np.cumsum(np.cbrt(data.counts * width**2))
    cell = np.minimum((grown / grown[-1] * count).astype(np.int64), count - 1)
    weights = np.bincount(cell, weights=data.counts, minlength=count)
    sums = np.bincount(cell, weights=data.counts * data.values, minlength=count)
    return weights[weights > 0], sums[weights > 0]


def _partition(weights: np.ndarray, sums: np.ndarray, size: int) -> np.ndarray:
    """The means of the best `size` runs of cells, by dynamic programming over their ends.

    A run has at most `reach` cells, several times the average.
    """
    import numpy as np

    count = weights.size
    reach = count if count <= LEAST_CELLS else min(count, REACH * count // size)
    mass, total = (np.concatenate(([0.0], np.cumsum(column))) for column in (weights, sums))
    end = np.arange(count + 1)
    begin = end - np.arange(1, reach + 1)[:, np.newaxis]
    held = np.maximum(begin, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = (total[end] - total[held]) ** 2 / (mass[end] - mass[held])
    gain[begin < 0] = -np.inf
    best = np.full(reach + count + 1, -np.inf)
    best[reach] = 0.0
    lengths = np.empty((size, count + 1), np.int32)
    for run in range(size):
        # Row r of the window holds, for each end, the best of the runs before, r + 1 cells earlier.
        window = np.lib.stride_tricks.sliding_window_view(best, count + 1)[reach - 1 :: -1]
        reached = gain + window
        lengths[run] = reached.argmax(axis=0)
        best[reach:] = np.take_along_axis(reached, lengths[run][np.newaxis], axis=0)[0]
    cuts = [count]
    for run in reversed(range(size)):
        cuts.append(cuts[-1] - int(lengths[run, cuts[-1]]) - 1)
    cuts.reverse()
    means: np.ndarray = np.diff(total[cuts]) / np.diff(mass[cuts])
    return means


def _settled(data: Histogram, centres: np.ndarray) -> np.ndarray:
    """The means of the best runs of single values near those of `centres`: cells are left behind.

    All borders move at once, each to the best of a few places around it, in ever smaller steps,
    until no joint move helps. Lloyd's algorithm, which moves one border after the other, stays
    behind by up to 0.03 % of the error.
    """
    import numpy as np

    mass = np.concatenate(([0.0], np.cumsum(data.counts, dtype=np.float64)))
    sums = np.concatenate(([0.0], np.cumsum(data.counts * data.values)))
    edges = np.searchsorted(data.values, (centres[:-1] + centres[1:]) / 2)
    cuts = np.concatenate(([0], edges, [data.values.size]))
    moves = np.arange(-_AROUND, _AROUND + 1)
    number = np.arange(cuts.size)[:, np.newaxis]
    reached = -np.inf
    for part in _PARTS:
        for _ in range(_ROUNDS):
            places = np.interp(number + part * moves, number[:, 0], cuts).astype(np.intp)
            places[:, _AROUND] = cuts
            cuts, gain = _moved(places if part else cuts[:, np.newaxis] + moves, mass, sums)
            if gain <= reached:
                break
            reached = gain
    weight = np.diff(mass[cuts])
    means: np.ndarray = np.diff(sums[cuts])[weight > 0] / weight[weight > 0]
    return means


def _moved(places: np.ndarray, mass: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, float]:
    """The best borders, each at one of its `places`, and what the runs between them explain.

    `mass` and `sums` are cumulative counts and sums of the values. Of the squared values' sum, runs
    explain the sum of `total ** 2 / count`: the more, the less the error.
    """
    import numpy as np

    last = mass.size - 1
    place = np.maximum.accumulate(np.clip(places, 0, last), axis=0)
    place[0], place[-1] = 0, last
    begin, end = place[:-1, :, np.newaxis], place[1:, np.newaxis, :]
    count = mass[end] - mass[begin]
    gain = np.where(count > 0, (sums[end] - sums[begin]) ** 2 / np.maximum(count, 1), 0.0)
    gain[end < begin] = -np.inf
    best = np.zeros(place.shape[1])
    came = np.empty((gain.shape[0], best.size), np.intp)
    for run, gains in enumerate(gain):
        through = best[:, np.newaxis] + gains
        came[run] = through.argmax(axis=0)
        best = through.max(axis=0)
    chosen = [int(best.argmax())]
    for run in reversed(came):
        chosen.append(int(run[chosen[-1]]))
    return place[np.arange(len(place)), chosen[::-1]], float(best.max())


def uniform(data: Histogram, size: int) -> np.ndarray:
    """The palette of `size` float16 values at equal distances from the least to the largest."""
    import numpy as np

    return np.linspace(data.values[0], data.values[-1], size).astype(np.float16)


def error(data: Histogram, palette: np.ndarray) -> float:
    """The sum of squared differences of every element from its nearest entry."""
    import numpy as np

    entries = palette.astype(np.float64)
    nearest = entries[np.searchsorted((entries[:-1] + entries[1:]) / 2, data.values)]
    return float((data.counts * (data.values - nearest) ** 2).sum())


def code_table(palette: np.ndarray) -> np.ndarray:
    """For each of the 65,536 float16 bit patterns the number, uint8, of the nearest entry."""
    import numpy as np

    return nearest(palette, np.arange(VALUES, dtype=np.uint16).view(np.float16))


def nearest(palette: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each float16 number the number, uint8, of the nearest entry."""
    import numpy as np

    entries = palette.astype(np.float64)
    between = (entries[:-1] + entries[1:]) / 2
    return np.searchsorted(between, values.astype(np.float64)).astype(np.uint8)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes of `bits` bits, lowest first, one after the other in bytes.

    Only the last call for a tensor may have a number of codes that does not fill whole bytes.
    """
    import numpy as np

    if bits == 8:  # noqa: PLR2004  a byte
        return codes
    if bits == 3:  # noqa: PLR2004  two of them are one of six bits
        pairs = np.zeros((-(-codes.size // 2), 2), np.uint8)
        pairs.reshape(-1)[: codes.size] = codes
        return pack(pairs[:, 0] | pairs[:, 1] << 3, 6)[: -(-codes.size * 3 // 8)]
    group = {1: 8, 2: 4, 4: 2, 6: 4}[bits]
    padded = np.zeros((-(-codes.size // group), group), np.uint8)
    padded.reshape(-1)[: codes.size] = codes
    if bits == 6:  # noqa: PLR2004  the only width here that straddles bytes
        a, b, c, d = padded.T
        packed = np.stack((a | b << 6, b >> 2 | c << 4, c >> 4 | d << 2), axis=1)
    else:
        packed = np.zeros((padded.shape[0], 1), np.uint8)
        for place in range(group):
            packed[:, 0] |= padded[:, place] << bits * place
    return packed.reshape(-1)[: -(-codes.size * bits // 8)]


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    import numpy as np

    full = np.concatenate((values, np.repeat(values[-1:], size - values.size)))
    return np.sort(full.astype(np.float16))

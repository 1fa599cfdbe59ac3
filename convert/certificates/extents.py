"""Works out the shapes that an image size and a batch give a program's inputs and reshapes.

A reshape states the shape of its result, so a builder writes a new constant for each size. What
that constant must be follows from the one at another size: numbers that are side by side in both
shapes belong together, and only those that the size or the batch changes may change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sdcoreml.convert.certificates.shapes import Shape
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.programs.options import GUIDANCE
from sdcoreml.ground.errors import UnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Extents:
    """What changes a program's shapes: the height and width of its latents, and its batch."""

    height: int
    width: int
    batch: int

    def level(self, down: int) -> tuple[int, int]:
        """Return the height and width of maps that are `down` times smaller than the latents."""
        return self.height // down, self.width // down


_BATCHED = ("encoder_hidden_states", "text_embeds", "time_ids", "timestep", GUIDANCE)
_MAPS: Mapping[str, bool] = {"controlnet_cond": True, "sample": True, "x": False, "z": False}
"""The inputs that are latents or images, and whether they have a row for each of the batch."""

_PIXELS = frozenset({"controlnet_cond", "x"})
_RESIDUAL, _MAP = "additional_residual_", 3
"""The inputs that are maps of any level begin with the first; a map has channels and two sizes."""


def input_shape(name: str, shape: Shape, before: Extents, after: Extents) -> Shape:
    """Return the shape of an input for `after`, from its shape for `before`.

    Raises:
        UnsupportedError: the input is unknown, or has another shape than `before` gives it.
    """
    first, rest = shape[0], shape[1:]
    if name in _BATCHED:
        _demand(first == before.batch, name)
        return (after.batch, *rest)
    is_batched = _MAPS.get(name, name.startswith(_RESIDUAL))
    _demand((name in _MAPS or is_batched) and len(rest) == _MAP, name)
    _demand(first == (before.batch if is_batched else 1), name)
    channels, *size = rest
    scale = PIXELS_PER_LATENT if name in _PIXELS else 1
    _demand(all(extent % scale == 0 for extent in size), name)
    height, width = (extent // scale for extent in size)
    _demand(name not in _MAPS or (height, width) == before.level(1), name)
    found = _map_size((height, width), before, after)
    return (after.batch if is_batched else 1, channels, *(scale * extent for extent in found))


def _map_size(size: tuple[int, int], before: Extents, after: Extents) -> tuple[int, int]:
    """Return the size of a map of the same level; the levels are powers of two apart."""
    down = before.height // max(1, size[0])
    _demand(is_level(down, size, before, after), "a map")
    return after.level(down)


def is_level(down: int, size: tuple[int, int], before: Extents, after: Extents) -> bool:
    """Whether `size` is that of maps `down` times smaller than the latents, and `after` has some.

    Each level halves the one before.
    """
    is_power = down > 0 and down & (down - 1) == 0
    is_whole = is_power and all(n % down == 0 for n in (*before.level(1), *after.level(1)))
    return is_whole and before.level(down) == size


def _demand(met: object, what: str) -> None:
    if not met:
        raise UnsupportedError(f"the size and the batch do not explain the shape of {what}")


def reshaped(source: Shape, target: Shape, new: Shape, before: Extents, after: Extents) -> Shape:
    """Return the target of a reshape of `new` that does what `source` to `target` does.

    Raises:
        UnsupportedError: the size and the batch do not explain it.
    """
    found: list[int] = []
    place = 0
    for old, wanted in _groups(source, target):
        here = new[place : place + len(old)]
        place += len(old)
        rows = not found and before.batch == 1  # a batch of one is told by its place alone
        found += _group(old, wanted, here, before, after, rows=rows)
    return tuple(found)


def _groups(source: Shape, target: Shape) -> Iterator[tuple[Shape, Shape]]:
    """Divide two shapes into the shortest runs of numbers that have the same product."""
    first = other = 0
    while first < len(source) and other < len(target):
        start, begin = first, other
        first, other = first + 1, other + 1
        while (a := math.prod(source[start:first])) != (b := math.prod(target[begin:other])):
            _demand(first < len(source) if a < b else other < len(target), "a reshape")
            first, other = first + (a < b), other + (a > b)
        if len(source) == first or len(target) == other:  # what is left over is of size 1
            first, other = len(source), len(target)
        yield source[start:first], target[begin:other]


def _group(
    old: Shape, target: Shape, new: Shape, before: Extents, after: Extents, *, rows: bool
) -> Sequence[int]:
    """Return the new numbers of one run of the target: the only ones that have the right product.

    One number takes all. Two are a map's height and width, or the batch and something that stays.
    With `rows`, the first is the batch even if it is 1; every other 1 stays.
    """
    if old == new:
        return target
    count = math.prod(new)
    large = [place for place, size in enumerate(target) if size != 1 or (rows and not place)]
    readings = _read([target[place] for place in large], count, before, after)
    fitting = {values for values in readings if math.prod(values) == count}
    _demand(len(fitting) == 1, "a reshape")
    found = dict(zip(large, fitting.pop(), strict=True))
    return [found.get(place, 1) for place in range(len(target))]


def _read(sizes: Sequence[int], count: int, before: Extents, after: Extents) -> Iterator[Shape]:
    match sizes:
        case [_]:
            yield (count,)
        case [first, second]:
            if first == before.batch:
                yield (after.batch, second)
            if is_level(down := before.height // max(1, first), (first, second), before, after):
                yield after.level(down)

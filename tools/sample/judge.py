"""Says what a picture shows, by plain geometry; it knows nothing of how pictures are drawn.

Colours are told by their hue, shapes by how they fill their frame and their convex hull, and by the
gap between a heart's arches. What fits no description is no shape.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask: TypeAlias = NDArray[np.bool_]

BORDER = 0.05
"""The share of a picture's side that shows the background alone."""
FAR = 60.0
"""How far from the background's RGB a thing's pixels are, at least."""
SMALLEST = 0.006
"""The least share of a picture that a thing covers; specks are overlooked."""

LEAST_PIXELS = 6
"""The least height and width of a thing whose shape can be told."""

DARK, PALE, LIGHT = 0.25, 0.22, 0.75
"""The value below which a colour is black; the saturation below which it is grey, or white if its
value is above the last."""
HUES = ((14, "red"), (41, "orange"), (68, "yellow"), (170, "green"), (258, "blue"))
"""The hues in degrees that names end at; purple is beyond the last one, and red begins at 335."""
REDDISH = 335


class Outline(NamedTuple):
    """Measures of a part in its frame, or bounds of them.

    Width by height; the shares of the frame and of the convex hull that it fills; by how much its
    lowest fifth is wider than its highest; how deep its top is between two arches.
    """

    aspect: float
    fill: float
    solid: float
    taper: float
    notch: float

    def name(self) -> str | None:
        """Return the first shape that the measures fit."""
        for name, least, most in SHAPES:
            bounds = zip(least, self, most, strict=True)
            if all(low <= part <= high for low, part, high in bounds):
                return name
        return None


SHAPES = (
    ("circle", Outline(0.85, 0.7, 0.95, -0.15, -0.5), Outline(1.18, 0.86, 1.2, 0.15, 0.06)),
    ("square", Outline(0.85, 0.9, 0.95, -0.15, -0.5), Outline(1.18, 1.0, 1.2, 0.15, 0.06)),
    ("triangle", Outline(0.9, 0.42, 0.93, 0.45, -0.6), Outline(1.35, 0.64, 1.2, 1.0, 0.06)),
    ("star", Outline(0.8, 0.25, 0.5, -0.4, -0.6), Outline(1.25, 0.5, 0.8, 0.4, 0.3)),
    ("heart", Outline(0.85, 0.5, 0.9, -0.8, 0.06), Outline(1.35, 0.78, 1.2, -0.1, 0.5)),
)
"""The least and the most of each measure that a shape has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A thing in a picture: what it is, and its centre in fractions of the picture."""

    colour: str | None
    shape: str | None
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a picture shows; the largest thing comes first."""

    background: str | None
    things: tuple[Seen, ...]


def judge(picture: NDArray[np.uint8]) -> Verdict:
    """Say what a picture shows: RGB of shape (height, width, 3)."""
    pixels = picture.astype(np.float64)
    width = max(1, round(BORDER * len(pixels)))
    inner = np.zeros(pixels.shape[:2], bool)
    inner[width:-width, width:-width] = True
    background = np.median(pixels[~inner], axis=0)
    mask = np.linalg.norm(pixels - background, axis=2) > FAR
    parts = [part for part in components(mask) if part.mean() >= SMALLEST]
    parts.sort(key=lambda part: -int(part.sum()))
    return Verdict(
        background=name_colour(background), things=tuple(_see(part, pixels) for part in parts)
    )


def name_colour(colour: NDArray[np.float64]) -> str | None:
    """Name an RGB colour, 0 to 255; None is a grey."""
    red, green, blue = (float(part) / 255 for part in colour)
    value = max(red, green, blue)
    spread = value - min(red, green, blue)
    if value < DARK:
        return "black"
    if spread / value < PALE:
        return "white" if value > LIGHT else None
    if value == red:
        hue = 60 * ((green - blue) / spread % 6)
    elif value == green:
        hue = 60 * ((blue - red) / spread + 2)
    else:
        hue = 60 * ((red - green) / spread + 4)
    if hue >= REDDISH:
        return "red"
    return next((name for end, name in HUES if hue < end), "purple")


def components(mask: Mask) -> list[Mask]:
    """Return the parts of a mask that hang together by their pixels' sides."""
    left, found = mask.copy(), []
    height, width = mask.shape
    while left.any():
        part = np.zeros_like(mask)
        y, x = divmod(int(left.argmax()), width)
        left[y, x], part[y, x] = False, True
        queue = deque([(y, x)])
        while queue:
            y, x = queue.popleft()
            for row, column in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= row < height and 0 <= column < width and left[row, column]:
                    left[row, column], part[row, column] = False, True
                    queue.append((row, column))
        found.append(part)
    return found


def name_shape(part: Mask) -> str | None:
    """Name the shape of a part, or return None if it fits no description."""
    ys, xs = np.nonzero(part)
    box = part[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    if min(box.shape) < LEAST_PIXELS:
        return None
    return describe(box).name()


def describe(box: Mask) -> Outline:
    """Measure a part that fills its frame."""
    height, width = box.shape
    rows, end = box.mean(axis=1), max(1, height // 5)
    return Outline(
        aspect=width / height,
        fill=float(box.mean()),
        # The hull goes around whole pixels, so a slope of few pixels seems hollow.
        solid=float(box.sum()) / hull_area(box) + 1 / height,
        taper=float(rows[-end:].mean() - rows[:end].mean()),
        notch=notch(box),
    )


def hull_area(box: Mask) -> float:
    """Return the area of the convex hull of a part's pixels, in pixels."""
    points = []
    for y, row in enumerate(box):
        columns = np.nonzero(row)[0]
        if columns.size:
            left, right = int(columns[0]), int(columns[-1]) + 1
            points += [(left, y), (right, y), (left, y + 1), (right, y + 1)]
    points = sorted(set(points))
    hull = [*_chain(points)[:-1], *_chain(points[::-1])[:-1]]
    around = zip(hull, [*hull[1:], hull[0]], strict=True)
    return abs(sum(x0 * y1 - y0 * x1 for (x0, y0), (x1, y1) in around)) / 2


def notch(box: Mask) -> float:
    """Return how deep the top of a part is between its two arches, as a share of its height."""
    height, width = box.shape
    tops = np.where(box.any(axis=0), box.argmax(axis=0), height)
    left, right = np.minimum.accumulate(tops), np.minimum.accumulate(tops[::-1])[::-1]
    third = width // 3
    between = (tops - np.maximum(left, right))[third:-third]
    return float(np.max(between) / height)


def _see(part: Mask, pixels: NDArray[np.float64]) -> Seen:
    ys, xs = np.nonzero(part)
    height, width = part.shape
    return Seen(
        colour=name_colour(np.median(pixels[part], axis=0)),
        shape=name_shape(part),
        x=float(xs.mean() + 0.5) / width,
        y=float(ys.mean() + 0.5) / height,
    )


def _chain(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return one side of the convex hull of sorted points (Andrew's monotone chain)."""
    chain: list[tuple[int, int]] = []
    for x, y in points:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain

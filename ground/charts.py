"""Small charts in SVG. Each stands in a table, or has one beside it, with the same figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sdcoreml.ground.markup import Markup, cut, element

_WIDTH, _HEIGHT = 100.0, 10.0
"""The size of a bar's own grid; it is stretched to its cell."""


def bar(value: float, most: float, floor: float | None = None, tone: str = "") -> Markup:
    """Return a bar from 0 to `most`, with a mark at `floor`; for a table that says both.

    It is hidden from screen readers, which read the numbers beside it.
    """
    scale = _WIDTH / most if most > 0 else 0.0
    long = max(0.0, min(value * scale, _WIDTH))
    mark = [] if floor is None else [_box("floor", min(floor * scale, _WIDTH - 1), 0, 1, _HEIGHT)]
    return element(
        "svg",
        _box("track", 0, 3, _WIDTH, 4),
        _box(f"value {tone}".strip(), 0, 2, long, 6),
        *mark,
        class_="bar",
        view_box=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        aspect="none",
        aria_hidden="true",
        focusable="false",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stick:
    """One column of a chart: how high, from 0 to 1, its class of colour, and what it stands for."""

    height: float
    tone: str
    name: str


def sticks(key: str, title: str, description: str, found: Sequence[Stick], wide: int) -> Markup:
    """Return columns side by side, on a grid of `wide` columns, so that charts can be compared.

    `key` is unlike all others on the page; title and description are what a screen reader says.
    """
    most = max(wide, len(found), 1)
    boxes = (
        element(
            "rect",
            element("title", cut(one.name, _LONGEST)),
            class_=one.tone,
            x=number,
            y=_HEIGHT * (1 - max(0.0, min(one.height, 1.0))),
            width=0.86 if most < _CROWDED else 1,
            height=_HEIGHT * max(0.0, min(one.height, 1.0)),
        )
        for number, one in enumerate(found)
    )
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", description, id=f"{key}-text"),
        *boxes,
        class_="sticks",
        view_box=f"0 0 {most} {_HEIGHT:g}",
        aspect="none",
        role="img",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-text",
    )


_CROWDED, _LONGEST = 200, 120
"""From this many columns on, there is no room between them; so many letters has a name."""


def legend(items: Iterable[tuple[str, str]]) -> Markup:
    """Return what each class of colour means."""
    rows = (
        element(
            "li",
            element(
                "svg",
                _box(tone, 0, 0, _HEIGHT, _HEIGHT),
                view_box=f"0 0 {_HEIGHT:g} {_HEIGHT:g}",
                aria_hidden="true",
                focusable="false",
            ),
            text,
        )
        for tone, text in items
    )
    return element("ul", *rows, class_="legend")


def _box(tone: str, x: float, y: float, width: float, height: float) -> Markup:
    return element("rect", class_=tone, x=x, y=y, width=width, height=height)

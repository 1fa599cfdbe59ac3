"""Joins the lines of a message that a console of rich wrote: it breaks what it has no room for.

A log's text stands in a column of its own, behind time and level, and goes on below itself, as in
SD.Next and kohya's scripts. What an exception is about goes on at the begin of the next line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from sdcoreml.doctor.knowledge.lines import Line

_LEVEL = r"(?:DEBUG {4}|INFO {5}|WARNING {2}|ERROR {4}|CRITICAL )"
_HEAD = re.compile(rf"(?P<begin>(?:\[?\d[\d/:., T\]-]*\s+|\s*){_LEVEL})\S")
_PLACE = re.compile(r"\s{2,}\w+\.py:\d+$")
"""The last column of some: where in the code the message comes from."""

_DEEP = 20
"""The text of no narrower columns begins so far right."""

_LONGEST = 2_000
_WIDEST = 400
"""No console is wider."""


def join_rich(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return lines with those joined that are one message; it has the number of its first."""
    return tuple(_join_named(_join_columns(tuple(lines))))


def _join_named(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield lines, with what an exception is about behind its colon."""
    before: Line | None = None
    for line in lines:
        if before and _ASKS.search(before.text) and _NAMED.fullmatch(line.text):
            yield Line(number=before.number, text=f"{before.text} {line.text.strip()}")
            before = None
            continue
        if before:
            yield before
        before = line
    if before:
        yield before


_ASKS = re.compile(r"^\s*[\w.]+(?:Error|Exception): .*:$")
_NAMED = re.compile(r"\s*(?P<quote>['\"])[^'\"]+(?P=quote)\.?\s*")


def _join_columns(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    if not any(_HEAD.match(line.text) for line in lines):
        return lines
    width = max((len(line.text) for line in lines if len(line.text) <= _WIDEST), default=0)
    joined: list[Line] = []
    parts: list[str] = []
    begin = 0
    for line in lines:
        head = _HEAD.match(line.text)
        if head is None and parts and _goes_on(line.text, begin):
            parts.append(line.text)
            joined[-1] = Line(number=joined[-1].number, text=_join(parts, width))
            if len(joined[-1].text) > _LONGEST:
                parts = []
            continue
        parts = [line.text] if head else []
        begin = len(head["begin"]) if head else 0
        joined.append(line)
    return tuple(joined)


def _goes_on(text: str, begin: int) -> bool:
    indent = len(text) - len(text.lstrip())
    return bool(text.strip()) and (indent == begin or (indent >= _DEEP and begin < _DEEP))


def _join(parts: Sequence[str], width: int) -> str:
    """Return a message as one line; a word that was longer than its column is whole again.

    Such a word begins a line and fills it up to the console's `width`.
    """
    text = _PLACE.sub("", parts[0])
    for before, after in pairwise(parts):
        is_cut = len(before) == width and " " not in before.strip()
        text += ("" if is_cut else " ") + after.strip()
    return text

"""Joins the lines that a terminal or a mail broke at its width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from sdcoreml.doctor.knowledge.lines import Line


def join_wrapped(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines with those joined that a terminal or a mail broke at its width.

    A line as long as the longest was cut within it; one to which the next line's first word could
    not be added was broken before that word. Empty if nothing seems to be broken.
    """
    width = _find_width(lines)
    if not width:
        return ()
    joined: list[Line] = []
    glue: str | None = None
    for line, after in pairwise([*lines, Line(number=0, text="")]):
        if glue is None:
            joined.append(line)
        else:
            previous = joined[-1]
            text = previous.text + glue + (line.text.lstrip() if glue else line.text)
            joined[-1] = Line(number=previous.number, text=text)
        glue = _choose_glue(line.text, after.text, width)
        if len(joined[-1].text) > _JOINED:
            glue = None
    return tuple(joined) if len(joined) < len(lines) else ()


def keep_first(
    numbers: Iterable[int], lines: Sequence[Line], joined: Sequence[Line]
) -> tuple[int, ...]:
    """Return the lines that were chosen, in their order: of an exception's broken message one.

    What is known of a message's own words comes before what is known of one word in it, wherever
    the words stand: of such a message the line that was chosen first is kept.
    """
    end = Line(number=lines[-1].number + 1 if lines else 0, text="")
    begins = {
        number: line.number
        for line, after in pairwise([*joined, end])
        if after.number - line.number >= _PARTS and _RAISED.match(line.text)
        for number in range(line.number, after.number)
    }
    first = dict[int, int]()
    for number in numbers:
        first.setdefault(begins.get(number, number), number)
    return tuple(first.values())


_PARTS = 3
_RAISED = re.compile(r"[\s`]*[\w.]+(?:Error|Exception): ")

_NARROW, _WIDE = 38, 220
_JOINED = 1_200
"""No message is longer: a log whose lines are all of one length is not a broken one."""


def _find_width(lines: Sequence[Line]) -> int:
    """Return the width at which lines seem to be broken: the longest's; 0 if they are not."""
    longest = max((len(line.text) for line in lines), default=0)
    return longest if _NARROW <= longest <= _WIDE else 0


def _choose_glue(text: str, after: str, width: int) -> str | None:
    """Return what joins a line to the next: nothing, a space, or None if they are two lines."""
    if not text or not after.strip() or _STARTS.match(after):
        return None
    if len(text) == width:
        return ""
    word = after.split(maxsplit=1)[0]
    return " " if len(text) + 1 + len(word) > width else None


_STARTS = re.compile(
    r"\s*(?:Traceback|File \"|[\w.]*(?:Error|Exception)\b:|\w+: |\$ |[-*+\u2022] )"
)

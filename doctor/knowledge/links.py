"""Finds chains of reasons that a tool prints below an error, each the reason of the one before.

uv draws them as a tree with one branch, cargo and others write `Caused by:`. The last says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sdcoreml.doctor.knowledge.lines import Line

_LINK = re.compile(r"\s*(?:[\u251c\u2570]\u2500(?:\u25b6|>)|[Cc]aused by:)\s*(?P<said>.*)")
_NO_LINK = re.compile(r"\[\d+ lines? of output\]|^(?:See|Because|And because)\b")
"""What follows the same signs and is no reason, or is an argument and no single line."""

_REACH = 4
"""Between two links stand so many lines at most: what a link goes on in."""


def find_links(lines: Sequence[Line]) -> tuple[tuple[Line, ...], ...]:
    """Return the chains: what each begins with, and its links, the last reason last."""
    chains: list[list[Line]] = []
    end = -_REACH - 1
    for at in range(len(lines)):
        link = _find_link(at, lines)
        if link is None:
            continue
        if at - end > _REACH:
            head = next((one for one in reversed(lines[:at]) if one.text.strip()), None)
            chains.append([head] if head else [])
        if link.number not in {one.number for one in chains[-1]}:
            chains[-1].append(link)
        end = at
    return tuple(tuple(chain) for chain in chains if len(chain) > 1)


def _find_link(at: int, lines: Sequence[Line]) -> Line | None:
    """Return the line that a link's sign stands before, if there is one at a place."""
    found = _LINK.match(lines[at].text)
    if found is None or _NO_LINK.search(found["said"]):
        return None
    if found["said"]:
        return lines[at]
    return next(_behind(at, lines), None)


def _behind(at: int, lines: Sequence[Line]) -> Iterator[Line]:
    yield from (one for one in lines[at + 1 : at + 3] if one.text.strip())


def find_last(line: Line, chains: Sequence[Sequence[Line]]) -> Line:
    """Return the last link of the chain that a line is in, or the line itself."""
    for chain in chains:
        if any(one.number == line.number for one in chain):
            return chain[-1]
    return line

"""Reads a log as a person would: without colours, prefixes and boxes, wrapped lines joined.

What is kept of a line is what the program that failed wrote in it. Its indentation is kept, since
tracebacks are told by it; its number is that of the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from sdcoreml.doctor.knowledge.cleaning import clean
from sdcoreml.doctor.knowledge.consoles import join_rich
from sdcoreml.doctor.knowledge.excerpts import LONGEST, WHOLE, excerpt
from sdcoreml.doctor.knowledge.lines import Line


def read(log: str) -> tuple[Line, ...]:
    """Return the lines of a log, cleaned; of a long log those that may tell of a failure."""
    log = _CELL.sub(_raise, log.replace("\r\n", "\n").replace("\r", "\n"))
    chosen = _number(log) if len(log) <= WHOLE else excerpt(log)
    cleaned = (Line(number=number, text=clean(shorten(text))) for number, text in chosen)
    return join_rich(_drop_empty(cleaned))


_EMPTY = 20
"""So many empty lines in a row are kept: a pattern may cross a few, and takes long for many."""


def _drop_empty(lines: Iterable[Line]) -> Iterator[Line]:
    empty = 0
    for line in lines:
        empty = 0 if line.text else empty + 1
        if empty <= _EMPTY:
            yield line


_CELL = re.compile(
    r'"e?name":\s*"(?P<type>\w+)",(?P<gap>\s*)"(?:message|evalue)":\s*"(?P<message>(?:[^"\\\n]|\\.)*)"'
)
"""What a notebook keeps of an exception, in JSON."""


def _raise(cell: re.Match[str]) -> str:
    """Return what Python would have printed, over as many lines."""
    try:
        message = str(json.loads(f'"{cell["message"]}"', strict=False))
    except ValueError:
        message = cell["message"]
    message = message.replace("\n", " ").replace("\t", " ")
    return f"{cell['type']}: {message}{cell['gap']}"


def shorten(line: str) -> str:
    """Return a line without the middle of what is too long to be a message."""
    half = LONGEST // 2
    return line if len(line) <= LONGEST else f"{line[:half]} ... {line[-half:]}"


def _number(log: str) -> Iterator[tuple[int, str]]:
    return enumerate(log.split("\n")[: -1 if log.endswith("\n") else None], start=1)

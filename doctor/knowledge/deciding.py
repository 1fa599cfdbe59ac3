"""Chooses the lines of a log that say why it ended as it did: one that decides, and a few as good.

Whatever the log, one is chosen: the line of the cause, where that is known; else the exception or
error that tells most; where no line tells of any, the last of the failing program's own words. No
notice, summary, prompt, bar, frame or header is one of these words, as long as there are others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice, pairwise, takewhile

from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.facts import find_source
from sdcoreml.doctor.knowledge.frames import is_frame
from sdcoreml.doctor.knowledge.headings import find_more_reasons, find_reason, only_announces
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.links import find_last
from sdcoreml.doctor.knowledge.noise import is_noise
from sdcoreml.doctor.knowledge.notices import is_softened
from sdcoreml.doctor.knowledge.structure import Structure
from sdcoreml.doctor.knowledge.wordings import IS_ERROR, weigh


class Telling(Enum):
    """What a line that decides is."""

    CAUSE = "the line of the cause"
    EXCEPTION = "an exception"
    ERROR = "an error"
    PERHAPS = "perhaps an error"
    LAST = "the last line"
    CUT = "the last line of a cut traceback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """The line that decides, what it is, and others that tell as much."""

    line: Line
    telling: Telling
    others: tuple[Line, ...] = ()


def find_deciding_lines(
    cause: Line | None,
    structure: Structure,
    lines: Sequence[Line],
    guessed: Line | None = None,
) -> Deciding | None:
    """Return the lines of a log that say why it ended as it did; None of an empty log.

    Args:
        cause: the line that the likeliest cause was found in, if that decides.
        structure: the log's own structure.
        lines: the log's lines, without what was ignored.
        guessed: the line of a cause that is only a guess.
    """
    named = find_last(find_reason(cause, lines), structure.links) if cause else None
    own = structure.decisive
    if own is not None and structure.is_unknown and is_softened(own.text):
        own = None  # a warning tells less than where a traceback was cut
    if named is None and own is not None and _only_announces(own.text):
        own = next(_find_words(structure, lines), own)
    first = named or own or next(_find_last(structure, lines), None)
    if first is None:
        return None
    others = dict[int, Line]()
    source = find_source(lines)
    guesses = (*((guessed,) if guessed else ()), *((source.line,) if source else ()))
    for line in (*guesses, *_find_others(first, cause, structure, lines)):
        if line.number != first.number and len(others) < _FEW and _is_other(line, first, others):
            others[line.number] = line
    for line in (one for told in (first, *guesses) for one in _find_items(told, lines)):
        if line.number != first.number and len(others) < _FEW + _ITEMS:
            others[line.number] = line
    return Deciding(
        line=first,
        telling=_find_telling(first, structure, is_named=named is not None),
        others=tuple(others[number] for number in sorted(others)),
    )


_FEW = 4
"""So many lines are quoted beside the one that decides, at most."""

_ITEMS = 6
"""So many further items of a list are quoted with one of them."""

_NEAR = 3
_BEFORE = 12
"""An error so many lines before a traceback is likely to be why there is one."""


def _is_other(line: Line, first: Line, others: dict[int, Line]) -> bool:
    """Return whether a line says something that those chosen do not."""
    said = {_DIGITS.sub("", one.text.strip()) for one in (first, *others.values())}
    is_told = _DIGITS.sub("", line.text.strip()) in said
    return bool(line.text.strip()) and not is_told and not _only_announces(line.text)


_DIGITS = re.compile(r"^\s*\w+\s*\|\s*|\d+")


def _only_announces(text: str) -> bool:
    return is_noise(text) or only_announces(text)


def _find_telling(line: Line, structure: Structure, *, is_named: bool) -> Telling:
    if is_named:
        return Telling.CAUSE
    if structure.place(line.number) is not None:
        return Telling.EXCEPTION
    weight = weigh(line.text)
    if weight is None:
        return Telling.CUT if structure.is_unknown else Telling.LAST
    return Telling.ERROR if weight <= IS_ERROR else Telling.PERHAPS


def _find_others(
    first: Line, cause: Line | None, structure: Structure, lines: Sequence[Line]
) -> Iterator[Line]:
    """Yield lines that may tell as much, the best first."""
    own = structure.decisive
    if own:
        yield own
    if structure.is_unknown:
        yield from _find_calls(lines)
    for announced in (cause, structure.announced):
        yield from islice(find_more_reasons(announced, lines), _FEW) if announced else ()
    for links in structure.links:
        if first in links:
            yield from reversed(links)
    yield from _find_siblings(first, lines)
    place = structure.place((own or first).number)
    chain = structure.chains[place[0]] if place else ()
    yield from _find_before(chain, structure)
    yield from (one.detail for one in chain[-1:])
    yield from (one[0].detail for one in structure.chains[-1:])
    worst = [line for line in structure.errors if not _only_announces(line.text)]
    yield from (find_reason(line, lines) for line in worst[-1:])
    yield from (line for line in lines[-_NEAR:] if weigh(line.text) is not None)
    yield from worst[:1]


def _find_calls(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the code in a cut traceback that called another package's, the last call first."""
    calls = list[tuple[str, Line]]()
    for frame, code in pairwise(line for line in lines if line.text.strip()):
        if (found := _PATH.match(frame.text)) and not is_frame(code.text):
            package = _PACKAGE.search(found["path"])
            calls.append((package["name"] if package else found["folder"], code))
    edges = [code for (of, code), (after, _) in pairwise(calls) if of != after]
    yield from reversed(edges)
    yield from (code for _, code in calls[-1:])


_PATH = re.compile(r"\s*File \"(?P<path>(?P<folder>[^\"]*)[/\\][^\"]*)\"")
_PACKAGE = re.compile(r"(?:site|dist)-packages[/\\](?P<name>\w+)")
"""Whose the code of a frame is: a package's, or that of a folder of its own."""


def _find_siblings(first: Line, lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines next to one that tell as much, and the one that its sentence goes on in."""
    at = next((at for at, one in enumerate(lines) if one.number >= first.number), len(lines))
    behind, before = lines[at + 1 : at + 1 + _NEAR], lines[max(0, at - _NEAR) : at]
    if behind and _goes_on(first.text, behind[0].text):
        yield behind[0]
    weight = weigh(first.text)
    for line in (*behind, *reversed(before)):
        told = weigh(line.text)
        if told is not None and told <= min(weight or 0, IS_ERROR) and not is_softened(line.text):
            yield line


def _find_items(told: Line, lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the items of the list that a line is one of, those behind it first."""
    at = next((at for at, one in enumerate(lines) if one.number == told.number), None)
    bullet = None if at is None else _BULLET.match(lines[at].text)
    if at is None or bullet is None:
        return
    for part in (lines[at + 1 :], lines[:at][::-1]):
        listed = takewhile(lambda one: _BULLET.match(one.text) or _NAMES.match(one.text), part)
        same = (one for one in listed if one.text.startswith(bullet[0]))
        yield from islice(same, _ITEMS)


_BULLET = re.compile(r"\s*[-*\u2022]\s(?=\S)")
_NAMES = re.compile(r"\s*\w+:\s*$")
"""A name over some of a list's items."""


def _goes_on(text: str, after: str) -> bool:
    """Return whether a line's sentence goes on in the next."""
    return bool(_OPEN.search(text.rstrip())) and bool(after.strip()) and not is_noise(after)


_OPEN = re.compile(r"(?:[:,(\[{]|\b(?:because|requires?|that|and|or|is|not|to|be|the|a|of|for))$")


def _find_before(chain: Sequence[Raised], structure: Structure) -> Iterator[Line]:
    """Yield the errors just before a chain's traceback, the last first."""
    if chain and chain[0].steps:
        start = chain[0].start
        near = (line for line in structure.errors if start - _BEFORE <= line.number < start)
        yield from list(near)[:-3:-1]


def _find_words(structure: Structure, lines: Sequence[Line]) -> Iterator[Line]:
    """Yield what a build that pip quotes says of its own that denies something."""
    own = [one for one in lines if one.number in structure.builds and not is_noise(one.text)]
    yield from (one for one in reversed(own) if _DENIES.search(one.text))


_DENIES = re.compile(
    r"(?i)\b(?:not|no|only|nothing|none|never|must|needs?|please|too|wants?|without|lacks?|bad"
    r"|wrong|stop(?:ped|s|ping)?|abort(?:ed|ing)?|exit(?:ed|ing)?|gave up|giving up|empty"
    r"|illegal)\b|n't\b"
)
"""What a line denies or asks for that has no word of failure."""


def _find_last(structure: Structure, lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the last of the failing program's own words; of a cut traceback its last line."""
    told = [line for line in lines if line.text.strip()]
    if structure.is_cut:
        yield from told[-1:]
    words = [line for line in told[-_REACH:] if not is_noise(line.text)]
    near = words[-_END:]
    yield from (line for line in reversed(near) if _DENIES.search(line.text))
    yield from words[-1:]
    yield from told[-1:]


_REACH = 400
_END = 6
"""The line that denies something is why, if it is one of so many last."""

"""Looks for an entry in the lines of a log: which of its matches counts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from sdcoreml.doctor.knowledge import APART, TELLS, WORDING, Failure
from sdcoreml.doctor.knowledge.exceptions import find_frames
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.needs import Sieve
from sdcoreml.doctor.knowledge.notices import is_reported
from sdcoreml.doctor.knowledge.stages import Doing, Stage, find_doing, find_raiser
from sdcoreml.doctor.knowledge.structure import Structure
from sdcoreml.doctor.knowledge.topics import FAMILIES


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return an entry's pattern, compiled once: `re` itself keeps 512, fewer than there are."""
    return re.compile(pattern, re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where an entry was found: the line, what its groups captured, the number of its wording."""

    line: Line
    captured: Mapping[str, str]
    wording: int = 0


class View:
    """Lines to search in, as one text: first what ended the run, the frames of tracebacks last.

    `possible` are the patterns of the sieve that can match in them.
    """

    def __init__(self, lines: Sequence[Line], structure: Structure, sieve: Sieve) -> None:
        self.lines = lines
        self._structure = structure
        self._frames = find_frames(structure.chains)
        self._ended = frozenset(
            number for one in structure.last_chain for number in range(one.line.number, one.end + 1)
        )
        self.text = "\n".join(line.text for line in lines)
        self.possible = sieve.keep(self.text.lower().__contains__)
        self._starts = [0, *accumulate(len(line.text) + 1 for line in lines)]

    def find(self, entry: Failure) -> Found | None:
        """Return the entry's first match."""
        if entry.pattern not in self.possible:
            return None
        best = None
        for found in self._matches(entry):
            number = found.line.number
            if number in self._ended:
                return found
            if best is None or (best.line.number in self._frames) > (number in self._frames):
                best = found
        return best

    def _matches(self, entry: Failure) -> Iterator[Found]:
        for found in compile_pattern(entry.pattern).finditer(self.text):
            groups = found.groupdict()
            own = next((one for one in groups if groups[one] and one.split(APART)[0] == TELLS), 0)
            text = found[own]
            # A pattern may begin with the end of the line before.
            begin = found.start(own) + len(text) - len(text.lstrip())
            at = self._choose(self._place(begin), self._place(max(begin, found.end(own) - 1)))
            if entry.last and at != len(self.lines) - 1:
                continue
            if entry.topic in FAMILIES and is_reported(self.lines[at].text):
                continue
            captured = {name.partition(APART)[0]: groups[name] for name in groups if groups[name]}
            line = Line(number=self.lines[at].number, text=self.lines[at].text.strip())
            if entry.stage is Stage.CUT:
                if not 0 < self._structure.cut <= line.number:
                    continue
            elif entry.stage:
                doing = self._find_doing(line.number, entry.stage)
                if doing is None or doing.stage is not entry.stage:
                    continue
                captured |= {"name": doing.name} if doing.name else {}
            name, _, wording = (found.lastgroup or "").partition(APART)
            yield Found(
                line=line, captured=captured, wording=int(wording) if name == WORDING else 0
            )

    def _place(self, offset: int) -> int:
        """Return which line a place of the text is in."""
        return min(bisect_right(self._starts, offset), len(self.lines)) - 1

    def _choose(self, first: int, last: int) -> int:
        """Return the line of a match: of several, the one that decides, or the first.

        What a traceback shows before its exception is no part of what that says.
        """
        decisive = self._structure.decisive
        if decisive is None or first == last or self._structure.place(decisive.number):
            return first
        span = range(first, last + 1)
        return next((at for at in span if self.lines[at].number == decisive.number), first)

    def _find_doing(self, line: int, stage: Stage) -> Doing | None:
        place = self._structure.place(line)
        if place is None:
            return None
        chain = self._structure.chains[place[0]]
        return find_raiser(chain[place[1]]) if stage is Stage.OWN else find_doing(chain, place[1])

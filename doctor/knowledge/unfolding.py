r"""Reads what a program wrote into one line, with `\n` where its lines end, as the lines it was.

Launchers and desktop programs put the whole output of a command that failed into the message of
their own exception. What is read has lines then; what is told has the numbers of the log's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sdcoreml.doctor.knowledge.deciding import Deciding
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.structure import Structure

_WRITTEN = re.compile(r"(?<!\\)(?:\\r)?\\n(?![a-z_])")
_END = re.compile(
    r"(?<!\\)(?:\\r\\n"
    r"|\\n(?:(?![a-z_])|(?<!\w\\n)|(?=(?:error|warning|note|hint|fatal|exit code)\b)))"
)
"""A line's end; in a path of Windows, small letters stand behind what looks like one."""

_RETURNED = "\\r\\n"
_MANY = 3
"""Source code and paths have one or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Lines that a text does not have: how many, and the number of the line that they follow."""

    after: int = 0
    lines: int = 0

    def count(self, number: int) -> int:
        """Return the number in the whole log of a line of the text."""
        return number + self.lines * (number > self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfolded:
    """A log with a line for each that was written into one, and the number of each in the log."""

    log: str
    numbers: Sequence[int] = ()

    def line(self, line: Line) -> Line:
        """Return a line with the number that it has in the log."""
        return replace(line, number=self.number(line.number))

    def number(self, number: int) -> int:
        """Return the number in the log of a line that was read."""
        return self.numbers[number - 1] if 0 < number <= len(self.numbers) else number

    def matches(self, matches: tuple[Match, ...]) -> tuple[Match, ...]:
        """Return matches with the numbers that their lines have in the log."""
        return tuple(replace(one, line=self.number(one.line)) for one in matches)

    def deciding(self, deciding: Deciding | None) -> Deciding | None:
        """Return the lines that decide with the numbers that they have in the log."""
        if deciding is None:
            return None
        line, others = self.line(deciding.line), tuple(map(self.line, deciding.others))
        return replace(deciding, line=line, others=others)

    def structure(self, structure: Structure) -> Structure:
        """Return a log's structure with the numbers that its lines have in the log."""
        if not self.numbers:
            return structure
        announced, decisive = structure.announced, structure.decisive
        return replace(
            structure,
            chains=tuple(tuple(map(self._raised, chain)) for chain in structure.chains),
            errors=tuple(map(self.line, structure.errors)),
            announced=announced and self.line(announced),
            decisive=decisive and self.line(decisive),
        )

    def _raised(self, raised: Raised) -> Raised:
        return replace(
            raised,
            start=self.number(raised.start),
            end=self.number(raised.end),
            line=self.line(raised.line),
            detail=self.line(raised.detail),
        )


def unfold(log: str, gap: Gap) -> Unfolded:
    r"""Return a log of which lines with many written `\n` are divided at them.

    `gap` is what the text lacks of the whole log, whose numbers the lines have.
    """
    if "\\n" not in log:
        return Unfolded(log=log)
    parts = [_divide(line) for line in log.replace("\r\n", "\n").split("\n")]
    if all(len(one) == 1 for one in parts):
        return Unfolded(log=log)
    numbers = [gap.count(at) for at, one in enumerate(parts, start=1) for _ in one]
    return Unfolded(log="\n".join(part for one in parts for part in one), numbers=numbers)


def _divide(line: str) -> Sequence[str]:
    if line.count(_RETURNED) > 1:
        parts = line.split(_RETURNED)
    elif len(_WRITTEN.findall(line)) >= _MANY:
        parts = _END.split(line)
    else:
        return [line]
    return [part.replace("\\t", "    ") for part in parts]

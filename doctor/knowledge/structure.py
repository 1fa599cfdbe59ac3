"""Finds what a log itself says went wrong: chains of exceptions, errors, the line that decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sdcoreml.doctor.knowledge.exceptions import Finder, Raised
from sdcoreml.doctor.knowledge.headings import find_reason
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.links import find_last, find_links
from sdcoreml.doctor.knowledge.notices import find_dismissed
from sdcoreml.doctor.knowledge.sections import find_builds
from sdcoreml.doctor.knowledge.wordings import IS_ERROR, weigh


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What a log tells of failures: chains of exceptions, and lines that begin like an error."""

    chains: tuple[tuple[Raised, ...], ...] = ()
    errors: tuple[Line, ...] = ()
    announced: Line | None = None
    """The line that tells most of a failure; `decisive` is the one that says why."""

    decisive: Line | None = None
    is_cut: bool = False
    """Whether a traceback ends before its exception, or the log with what is to be tried again."""

    is_unknown: bool = False
    """Whether nobody knows that exception: none before it was its direct cause."""

    cut: int = 0
    """The line that the traceback begins with whose exception nobody knows; 0 if there is none."""

    ignored: frozenset[int] = frozenset()
    """The lines of what Python ignored when it ended, or of which the next says that it goes on."""

    reported: frozenset[int] = frozenset()
    """The lines with which ComfyUI reports what ended a workflow."""

    builds: frozenset[int] = frozenset()
    """The lines that pip quotes of a package's build."""

    links: tuple[tuple[Line, ...], ...] = ()
    """The chains of reasons that tools print below an error, the last reason last."""

    @property
    def is_failure(self) -> bool:
        """Whether the log tells of a failure at all."""
        return bool(self.chains or self.errors or self.is_cut)

    def place(self, line: int) -> tuple[int, int] | None:
        """Return the chain that a line belongs to and its exception's place there, if any."""
        for number, chain in enumerate(self.chains):
            for place, raised in enumerate(chain):
                if raised.start <= line <= raised.end:
                    return number, place
        return None

    def is_in_traceback(self, line: int) -> bool:
        """Return whether a line belongs to exceptions of which one has a traceback."""
        place = self.place(line)
        return place is not None and any(one.steps for one in self.chains[place[0]])

    @property
    def last_chain(self) -> tuple[Raised, ...]:
        """The exceptions that ended the run; none if something else did, or nobody knows which."""
        if self.is_unknown:
            return ()
        place = self.place(self.decisive.number) if self.decisive else None
        return self.chains[place[0]] if place else ()


_WRAPPERS = re.compile(
    r"(?:\w+\.)*(?:CalledProcessError|SystemExit|ProcessRaisedException|Exit|(?:Base)?ExceptionGroup)$"
)


def find_structure(lines: Sequence[Line]) -> Structure:
    """Return the exceptions and errors of a log's lines, and the line that decides."""
    finder = Finder()
    for line in lines:
        finder.feed(line)
    finder.end()
    chains = tuple(tuple(chain) for chain in finder.chains)
    inside = {
        number for chain in chains for one in chain for number in range(one.start, one.line.number)
    }
    ignored = finder.ignored | find_dismissed(lines)
    inside |= ignored
    weighed = [
        (weight, line)
        for line in lines
        if line.number not in inside and (weight := weigh(line.text)) is not None
    ]
    errors = tuple(line for weight, line in weighed if weight < IS_ERROR)
    announced = _decide(chains, weighed)
    told = [line for line in lines if line.number not in ignored]
    links = find_links(told)
    decisive = find_last(find_reason(announced, told), links) if announced else None
    return Structure(
        chains=chains,
        errors=errors,
        announced=announced,
        decisive=decisive,
        is_cut=finder.is_open or _ends_in_a_retry(told),
        is_unknown=finder.is_unknown,
        cut=finder.start if finder.is_unknown else 0,
        ignored=frozenset(ignored),
        reported=frozenset(finder.reported),
        builds=find_builds(lines),
        links=links,
    )


def _ends_in_a_retry(lines: Sequence[Line]) -> bool:
    last = next((line.text for line in reversed(lines) if line.text.strip()), "")
    return _RETRY.search(last) is not None


_RETRY = re.compile(r"(?i)\bretrying\b.*\bafter connection broken by\b")


def _decide(
    chains: Sequence[tuple[Raised, ...]], weighed: Iterable[tuple[int, Line]]
) -> Line | None:
    """Return the line that decides: the system's word, an exception, or the worst error's."""
    best = min(weighed, key=lambda one: one[0], default=None)
    told = next((chain for chain in reversed(chains) if not _WRAPPERS.match(chain[0].type)), None)
    chain = told or (chains[-1] if chains else None)
    if chain and (best is None or best[0] > 0 or best[1].number < chain[0].start):
        return chain[0].detail
    return best[1] if best else None

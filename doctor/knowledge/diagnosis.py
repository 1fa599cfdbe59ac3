"""Finds the causes in a log, the likeliest first, and marks harmless lines.

What is known of single failures and of families is looked for in the log as it is read (see
`reading`); the log's own structure (see `structure`) decides between what was found: a cause that
is certain comes before one that is likely, a line that tells of a failure before any other, and of
the exceptions of a chain the first is the cause, and the others follow from it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from sdcoreml.doctor.knowledge import APART, FAMILIES, Confidence, Failure, Role, fill
from sdcoreml.doctor.knowledge.crashes import keep_crashed, read_report
from sdcoreml.doctor.knowledge.exceptions import find_frames
from sdcoreml.doctor.knowledge.excerpts import choose_telling
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.notices import goes_on, is_warning
from sdcoreml.doctor.knowledge.reading import read
from sdcoreml.doctor.knowledge.sections import find_prompts
from sdcoreml.doctor.knowledge.skew import Skew, resolve
from sdcoreml.doctor.knowledge.structure import Structure, find_structure
from sdcoreml.doctor.knowledge.wrapping import join_wrapped
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import is_version, satisfies


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An entry found in a log: the line's number (from 1), its text, and the pattern's groups.

    `cause` and `fix` are the entry's with the groups filled in; `role` and `confidence` are what
    the entry means in this log. `doubt` is "", or says which installed version contradicts the
    entry's conditions; `on_error` that the line tells of a failure, and
    `in_chain` that it belongs to the exceptions that ended the run, or that none did.
    """

    entry: Failure
    line: int
    text: str
    captured: Mapping[str, str]
    role: Role
    confidence: Confidence
    cause: str
    fix: str
    doubt: str = ""
    on_error: bool = True
    in_chain: bool = True

    @property
    def surety(self) -> tuple[bool, int]:
        """The sort key of matches of one line: contradicted ones last, the surest first."""
        return bool(self.doubt), list(Confidence).index(self.confidence)

    @property
    def rank(self) -> tuple[int, ...]:
        """The sort key of matches: contradicted ones last, causes first, then the surest."""
        return (
            bool(self.doubt),
            list(Role).index(self.role),
            self.confidence is Confidence.GUESS,
            not self.in_chain,
            list(Confidence).index(self.confidence),
            not self.on_error,
            self.line,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a log tells: the failures that are known, and its own structure.

    `decisive` is the line of the likeliest cause or, where none is known, the one that tells most
    of a failure; None if no line tells of any.
    """

    matches: tuple[Match, ...] = ()
    structure: Structure = field(default_factory=Structure)
    decisive: Line | None = None

    @property
    def cause(self) -> Match | None:
        """The likeliest cause, if any is known."""
        return next((match for match in self.matches if match.role is Role.CAUSE), None)


def diagnose(
    log: str, entries: Iterable[Failure], versions: Mapping[str, str] | None = None
) -> tuple[Match, ...]:
    """Find all known failures in a log, the likeliest cause first; see `examine`."""
    return examine(log, entries, versions).matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Lines that a text does not have: how many, and the number of the line that they follow."""

    after: int = 0
    lines: int = 0


def examine(
    log: str,
    entries: Iterable[Failure],
    versions: Mapping[str, str] | None = None,
    gap: Gap | None = None,
) -> Diagnosis:
    """Find all known failures in a log, the likeliest cause first, and the line that decides.

    Args:
        log: the text; of a long one only the lines that may tell of a failure are read.
        entries: the known failures, specific entries before general ones.
        versions: the versions in the log's environment, by project, `python` and `macos`; a
            condition on a version that is not given counts as fulfilled.
        gap: what `log` lacks of the whole log; the numbers of lines are the whole's.
    """
    lines = keep_crashed(read_report(log) or read(log))
    if gap:
        lines = tuple(
            replace(line, number=line.number + gap.lines * (line.number > gap.after))
            for line in lines
        )
    structure = find_structure(lines)
    lines = tuple(line for line in lines if line.number not in structure.ignored)
    whole = [_View(one, structure) for one in (lines, join_wrapped(lines)) if one]
    telling = [_View(choose_telling(view.lines), structure) for view in whole]
    skew = Skew(
        text="\n".join(line.text for line in lines),
        chains=structure.chains,
        versions=versions or {},
    )
    matches: dict[int, Match] = {}
    for entry in entries:
        views = telling if entry.topic in FAMILIES else whole
        found = next(filter(None, (view.find(entry) for view in views)), None)
        if found is None:
            continue
        line, captured = found
        doubt = find_contradiction(entry, versions or {})
        told = resolve(entry, line, captured, skew)
        if told is None or (line.number in structure.builds and entry.id in _OF_AN_ENVIRONMENT):
            continue
        match = _match(entry, line, told, doubt)
        known = matches.get(line.number)
        if known is None or match.surety < known.surety:
            matches[line.number] = match
    command = _find_last_failed(find_prompts(lines), structure)
    weighed = _weigh(list(matches.values()), structure, command)
    first = next((one for one in weighed if one.role is not Role.HARMLESS), None)
    decisive = structure.decisive
    is_sure = first and not first.doubt and first.confidence is not Confidence.GUESS
    if first and (decisive is None or (is_sure and first.role is Role.CAUSE)):
        decisive = Line(number=first.line, text=first.text)
    return Diagnosis(matches=weighed, structure=structure, decisive=decisive)


_OF_AN_ENVIRONMENT = frozenset(
    {"torch-missing-in-venv", "family-module-missing", "family-module-absent"}
)
"""What is said of the Python that ran; pip builds packages in another, which has next to none."""


class _View:
    """Lines to search in, as one text: first what ended the run, the frames of tracebacks last."""

    def __init__(self, lines: Sequence[Line], structure: Structure) -> None:
        self.lines = lines
        self._frames = find_frames(structure.chains)
        self._ended = frozenset(
            number for one in structure.last_chain for number in range(one.line.number, one.end + 1)
        )
        self.text = "\n".join(line.text for line in lines)
        self._starts = [0, *accumulate(len(line.text) + 1 for line in lines)]

    def find(self, entry: Failure) -> tuple[Line, Mapping[str, str]] | None:
        """Return the line of the entry's first match and the groups of its pattern."""
        found = None
        for line, captured in self._matches(entry):
            if line.number in self._ended:
                return line, captured
            if found is None or (found[0].number in self._frames) > (line.number in self._frames):
                found = line, captured
        return found

    def _matches(self, entry: Failure) -> Iterator[tuple[Line, Mapping[str, str]]]:
        for found in re.finditer(entry.pattern, self.text, re.MULTILINE):
            # A pattern may begin with the end of the line before.
            begin = found.start() + len(found[0]) - len(found[0].lstrip())
            at = min(bisect_right(self._starts, begin), len(self.lines)) - 1
            if entry.last and at != len(self.lines) - 1:
                continue
            groups = found.groupdict()
            captured = {name.partition(APART)[0]: groups[name] for name in groups if groups[name]}
            yield Line(number=self.lines[at].number, text=self.lines[at].text.strip()), captured


def _match(entry: Failure, line: Line, captured: Mapping[str, str], doubt: str) -> Match:
    sure = captured.get(_CONFIDENCE, entry.confidence.value)
    told = {name: value for name, value in captured.items() if name != _CONFIDENCE}
    return Match(
        entry=entry,
        line=line.number,
        text=line.text,
        captured=told,
        role=entry.role,
        confidence=Confidence.GUESS if doubt else Confidence(sure),
        cause=fill(entry.cause, told),
        fix=fill(entry.fix, told),
        doubt=doubt,
    )


_CONFIDENCE = "confidence"
"""The group with which `skew.resolve` says how sure it is."""


def _find_last_failed(prompts: Sequence[int], structure: Structure) -> int:
    """Return the line of the last command that a failure is behind; 0 if there is none."""
    failed = [line.number for line in structure.errors]
    failed += [chain[0].start for chain in structure.chains]
    return max((one for one in prompts if one < max(failed, default=0)), default=0)


def _weigh(matches: Sequence[Match], structure: Structure, command: int) -> tuple[Match, ...]:
    """Return the matches in order, with the roles and the confidence that they have in this log.

    What an earlier command than that of line `command` said is a guess at most.
    """
    errors = {line.number for line in structure.errors}
    ended = structure.last_chain
    if ended and ended[0].line.number in structure.builds:
        ended = ()
    placed = [
        replace(
            match,
            on_error=match.line in errors or structure.place(match.line) is not None,
            in_chain=not ended or any(one.start <= match.line <= one.end for one in ended),
            confidence=Confidence.GUESS
            if (match.line < command and match.role is Role.CAUSE)
            or (
                ended
                and _is_family(match)
                and match.line < ended[0].start
                and match.line not in errors
            )
            else match.confidence,
        )
        for match in matches
    ]
    told = [one for one in placed if not _is_notice(one) and one.role is not Role.HARMLESS]
    explained = any(
        one.role is Role.CAUSE and not one.doubt and one.confidence is not Confidence.GUESS
        for one in told
    )
    notices = [
        _notice(one, is_cause=structure.is_failure and not explained)
        for one in placed
        if _is_notice(one)
    ]
    harmless = [one for one in placed if not _is_notice(one) and one.role is Role.HARMLESS]
    ordered = sorted([*told, *notices, *harmless], key=lambda one: one.rank)
    return tuple(sorted(_follow(ordered, structure), key=lambda one: one.rank))


def _is_notice(match: Match) -> bool:
    """Return whether a healthy run may have printed a line: it is a notice, or only warns."""
    says = is_warning if _is_family(match) else goes_on
    # An entry may be of a line that goes on: then that it does so says nothing against it.
    warns = says(match.text) and not says(match.entry.example)
    return match.entry.notice or (warns and match.role is Role.CAUSE)


def _is_family(match: Match) -> bool:
    """Return whether a match is of a family, whose words a run that went on may print, too."""
    return match.entry.topic in FAMILIES and match.role is Role.CAUSE


def _notice(match: Match, *, is_cause: bool) -> Match:
    """Return a notice as a guess if nothing else explains the failure, as harmless otherwise."""
    if not is_cause:
        return replace(match, role=Role.HARMLESS)
    if not match.entry.notice:
        return replace(match, confidence=Confidence.GUESS)
    sure = match.confidence if match.confidence is not Confidence.CERTAIN else Confidence.LIKELY
    return replace(match, confidence=sure)


def _follow(ordered: Sequence[Match], structure: Structure) -> Sequence[Match]:
    """Let what is later in the first cause's chain follow; drop guesses beside what is known."""
    first = next((one for one in ordered if one.role is Role.CAUSE), None)
    if first is None:
        return ordered
    place = structure.place(first.line)
    return [
        replace(one, role=Role.CONSEQUENCE) if _is_behind(structure.place(one.line), place) else one
        for one in ordered
        if one is first
        or one.role is not Role.CAUSE
        or one.doubt
        or one.confidence is not Confidence.GUESS
    ]


def _is_behind(place: tuple[int, int] | None, first: tuple[int, int] | None) -> bool:
    return place is not None and first is not None and place[0] == first[0] and place[1] > first[1]


def find_contradiction(entry: Failure, versions: Mapping[str, str]) -> str:
    """Say which of the versions contradicts the entry's conditions; "" if none does."""
    for name, specifier in entry.when.items():
        have = versions.get(normalise(name))
        if have and is_version(have) and not satisfies(have, specifier):
            return f"{name} {have} here, this needs {specifier}"
    return ""


def find_clashes(entries: Iterable[Failure], versions: Mapping[str, str]) -> tuple[Failure, ...]:
    """Return the entries whose conditions these versions all meet: they are known to fail."""
    return tuple(
        entry
        for entry in entries
        if all(normalise(name) in versions for name in entry.when)
        and not find_contradiction(entry, versions)
    )

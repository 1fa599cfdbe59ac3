"""Finds the causes in a log, the likeliest first, and marks harmless lines.

What is known of single failures and of families is looked for in the log as it is read (see
`reading`); the log's own structure (see `structure`) decides between what was found: a cause that
is certain comes before one that is likely, a line that tells of a failure before any other, and of
the exceptions of a chain the first is the cause, and the others follow from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sdcoreml.doctor.knowledge import Confidence, Failure, Role
from sdcoreml.doctor.knowledge.asides import find_asides
from sdcoreml.doctor.knowledge.crashes import keep_crashed, read_report
from sdcoreml.doctor.knowledge.deciding import Deciding, Telling, find_deciding_lines
from sdcoreml.doctor.knowledge.excerpts import choose_telling
from sdcoreml.doctor.knowledge.facts import find_facts
from sdcoreml.doctor.knowledge.languages import quote_own, translate
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.matching import Log, tell
from sdcoreml.doctor.knowledge.names import find_own
from sdcoreml.doctor.knowledge.needs import make_sieve
from sdcoreml.doctor.knowledge.raising import complete_cut
from sdcoreml.doctor.knowledge.ranking import Match, rank
from sdcoreml.doctor.knowledge.reading import read
from sdcoreml.doctor.knowledge.searching import View, compile_pattern
from sdcoreml.doctor.knowledge.sections import find_sections
from sdcoreml.doctor.knowledge.skew import Skew
from sdcoreml.doctor.knowledge.structure import Structure, find_structure
from sdcoreml.doctor.knowledge.topics import FAMILIES
from sdcoreml.doctor.knowledge.unfolding import Gap, unfold
from sdcoreml.doctor.knowledge.untyped import add_types
from sdcoreml.doctor.knowledge.wrapping import join_wrapped, keep_first


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a log tells: the failures that are known, and its own structure.

    `deciding` is the line of the likeliest cause or, where none is known, the one that tells most
    of a failure, with a few that tell as much; None if the log is empty.
    """

    matches: tuple[Match, ...] = ()
    structure: Structure = field(default_factory=Structure)
    deciding: Deciding | None = None

    @property
    def decisive(self) -> Line | None:
        """The line that decides; None if the log is empty."""
        return self.deciding.line if self.deciding else None

    @property
    def cause(self) -> Match | None:
        """The likeliest cause, if any is known."""
        return next((match for match in self.matches if match.role is Role.CAUSE), None)


def diagnose(
    log: str, entries: Iterable[Failure], versions: Mapping[str, str] | None = None
) -> tuple[Match, ...]:
    """Find all known failures in a log, the likeliest cause first; see `examine`."""
    return examine(log, entries, versions).matches


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
    unfolded = unfold(log, gap or Gap())
    own = _read_lines(unfolded.log, Gap() if unfolded.numbers else gap or Gap())
    lines = complete_cut(add_types(translate(own)))
    found = _examine_english(lines, entries, versions or {})
    found = found if lines is own else _quote(found, own, lines)
    return replace(
        found,
        matches=unfolded.matches(found.matches),
        structure=unfolded.structure(found.structure),
        deciding=unfolded.deciding(found.deciding),
    )


def _quote(diagnosed: Diagnosis, own: Sequence[Line], lines: Sequence[Line]) -> Diagnosis:
    """Return what a log tells with its lines as they stand there, in whatever language."""
    quote = partial(quote_own, lines=own, english=lines)
    matches = tuple(
        replace(one, text=quote(Line(number=one.line, text=one.text)).text)
        for one in diagnosed.matches
    )
    told = diagnosed.deciding
    deciding = told and replace(told, line=quote(told.line), others=(*map(quote, told.others),))
    return replace(diagnosed, matches=matches, deciding=deciding)


def _examine_english(
    lines: Sequence[Line], entries: Iterable[Failure], versions: Mapping[str, str]
) -> Diagnosis:
    whole = _examine(lines, entries, versions)
    for asides in find_asides(lines):
        told = [one for one in lines if one.number not in asides]
        rest = _examine(told, entries, versions)
        if rest.cause is not None:
            known = (one for one in whole.matches if one.line in asides)
            harmless = (one for one in known if one.role is Role.HARMLESS)
            return replace(rest, matches=(*rest.matches, *harmless))
    return whole


def _examine(
    lines: Sequence[Line], entries: Iterable[Failure], versions: Mapping[str, str]
) -> Diagnosis:
    structure = find_structure(lines)
    everything = lines
    lines = tuple(line for line in lines if line.number not in structure.ignored)
    # Of lines that are the same nobody looks twice for the same.
    joined = join_wrapped(lines)
    read = [one for one in (lines, joined if joined != lines else ()) if one]
    chosen = [choose_telling(one) for one in read]
    entries = tuple(entries)
    sieve = make_sieve(tuple(entry.pattern for entry in entries))
    made = {one: View(one, structure, sieve) for one in (*read, *chosen)}
    possible = frozenset[str]().union(*(view.possible for view in made.values()))
    whole, telling = [made[one] for one in read], [made[one] for one in chosen]
    skew = Skew(
        text="\n".join(line.text for line in lines),
        chains=structure.chains,
        versions=versions,
    )
    log_read = Log(
        lines=lines,
        structure=structure,
        skew=skew,
        own=find_own(structure.chains),
        facts=find_facts(lines),
    )
    matches: dict[int, Match] = {}
    for entry in (one for one in entries if one.pattern in possible):
        views = telling if entry.topic in FAMILIES else whole
        found = next(filter(None, (view.find(entry) for view in views)), None)
        match = tell(entry, found, log_read) if found else None
        known = match and matches.get(match.line)
        if match and (known is None or match.surety < known.surety):
            matches[match.line] = match
    length = sum(bool(line.text.strip()) for line in lines)
    matches = {number: matches[number] for number in keep_first(matches, lines, joined)}
    weighed = rank(list(matches.values()), structure, find_sections(lines), length=length)
    weighed = tuple(_drop_said(weighed))
    named = _find_named(weighed, structure)
    deciding = _find_deciding(named, weighed, structure, lines or everything)
    return Diagnosis(matches=weighed, structure=structure, deciding=deciding)


def _drop_said(matches: Iterable[Match]) -> Iterator[Match]:
    """Yield the matches without those of families whose cause and remedy one before them said."""
    said = set[tuple[str, str]]()
    for one in matches:
        is_told = one.role is not Role.HARMLESS and one.entry.topic in FAMILIES
        if not is_told or (one.cause, one.fix) not in said:
            yield one
        said |= {(one.cause, one.fix)} if is_told else set()


def _read_lines(log: str, gap: Gap) -> Sequence[Line]:
    """Return the lines of a log that may tell, with the numbers that they have in the whole one."""
    return tuple(
        replace(line, number=gap.count(line.number))
        for line in keep_crashed(read_report(log) or read(log))
    )


def _find_deciding(
    named: Line | None, weighed: tuple[Match, ...], structure: Structure, lines: Sequence[Line]
) -> Deciding | None:
    """Return the lines that decide; what is harmless does not, if another line tells more."""
    known = [one for one in weighed if one.role is Role.HARMLESS]
    harmless = {one.line for one in known}
    said = [compile_pattern(one.entry.pattern) for one in known]
    told = [
        line
        for line in lines
        if line.number not in harmless and not any(one.search(line.text) for one in said)
    ]
    cause = Diagnosis(matches=weighed, structure=structure).cause
    if cause or structure.chains or not harmless:
        guessed = Line(number=cause.line, text=cause.text) if cause else None
        return find_deciding_lines(named, structure, lines, guessed)
    asked = next((one for one in known if one.entry.notice), None)
    if any(one.text.strip() for one in told):
        deciding = find_deciding_lines(None, find_structure(told), told)
        if asked is None or deciding is None or deciding.telling is not Telling.LAST:
            return deciding
    line = Line(number=asked.line, text=asked.text) if asked else lines[-1]
    return Deciding(line=line, telling=Telling.LAST)


def _find_named(weighed: Sequence[Match], structure: Structure) -> Line | None:
    """Return the line of a cause that is no guess; of any if the structure has none of its own."""
    first = next((one for one in weighed if one.role is not Role.HARMLESS), None)
    is_sure = first and not first.doubt and first.confidence is not Confidence.GUESS
    if first and (structure.decisive is None or (is_sure and first.role is Role.CAUSE)):
        return Line(number=first.line, text=first.text)
    return None

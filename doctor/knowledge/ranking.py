"""Decides between what was found in a log: which is the cause, what follows, and how sure it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sdcoreml.doctor.knowledge import Confidence, Failure, Role
from sdcoreml.doctor.knowledge.exceptions import Relation
from sdcoreml.doctor.knowledge.grounds import ANYWHERE, Ground, weigh, weigh_wording
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.names import is_of_the_field
from sdcoreml.doctor.knowledge.notices import goes_on, is_warning
from sdcoreml.doctor.knowledge.sections import Sections
from sdcoreml.doctor.knowledge.structure import Structure
from sdcoreml.doctor.knowledge.support import (
    decides,
    ends_a_build,
    find_deciding,
    find_earlier,
    find_limit,
)
from sdcoreml.doctor.knowledge.topics import FAMILIES
from sdcoreml.doctor.knowledge.wordings import may_tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An entry found in a log: the line's number (from 1), its text, and the pattern's groups.

    `cause` and `fix` are the entry's with the groups filled in; `role` and `confidence` are what
    the entry means in this log. `doubt` is "", or says which installed version contradicts the
    entry's conditions; `on_error` that the line tells of a failure, and
    `in_chain` that it belongs to the exceptions that ended the run, or that none did;
    `is_late` that it is a symptom, and another failure stands before it; `is_named` that the log
    names elsewhere what it is about. `wording` is the number of the wording that the line has;
    `grounds` is what speaks for the cause, or against it.
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
    is_late: bool = False
    is_named: bool = False
    wording: int = 0
    grounds: Mapping[Ground, bool | None] = field(default_factory=dict)

    @property
    def surety(self) -> tuple[bool, int, bool]:
        """The sort key of matches of one line: contradicted ones last, the surest first."""
        return bool(self.doubt), list(Confidence).index(self.confidence), self.entry.vague

    @property
    def rank(self) -> tuple[int, ...]:
        """The sort key of matches: contradicted ones last, causes first, then the surest."""
        return (
            bool(self.doubt),
            list(Role).index(self.role),
            self.confidence is Confidence.GUESS,
            self.is_late,
            self.entry.confidence is Confidence.GUESS,
            not self.in_chain,
            self.entry.vague,
            list(Confidence).index(self.confidence),
            not self.on_error,
            self.line,
        )


def rank(
    matches: Sequence[Match],
    structure: Structure,
    sections: Sections | None = None,
    *,
    length: int | None = None,
) -> tuple[Match, ...]:
    """Return the matches in order, with the roles and the confidence that they have in this log.

    A guess at most is what stands in the command that a shell took, what an earlier command than
    the last that failed said, and what stands before the work that a line shows done, if no failure
    is behind that; outside of a traceback also what a line announces that others may see, and what
    the same command says behind it that it did its work. A notice is a cause, too, if the log
    (of `length` lines that are not empty) is nothing else: then it is what somebody asks about.
    """
    is_past = _find_past(structure, sections or Sections())
    decisive = {structure.decisive.number} if structure.decisive else set[int]()
    errors = {line.number for line in structure.errors} | decisive
    ended = structure.last_chain
    if ended and (ended[0].line.number in structure.builds or ends_a_build(ended[0].line.text)):
        ended = ()
    placed = [
        replace(
            match,
            on_error=match.line in errors or structure.place(match.line) is not None,
            in_chain=not ended or any(one.start <= match.line <= one.end for one in ended),
            confidence=Confidence.GUESS
            if (match.role is Role.CAUSE and is_past(match.line))
            or (_is_family(match) and _tells_nothing(match, structure))
            else match.confidence,
        )
        for match in matches
    ]
    since = find_last_failed((sections or Sections()).prompts, structure)
    deciding = find_deciding(((one.entry, one.line) for one in placed), structure, since)
    placed = [_doubt(_limit(one, structure, deciding, since), placed) for one in placed]
    placed = [_wrap(one, placed, structure) for one in placed]
    told = [one for one in placed if not _is_notice(one) and one.role is not Role.HARMLESS]
    explained = any(
        one.role is Role.CAUSE and not one.doubt and one.confidence is not Confidence.GUESS
        for one in told
    )
    alone = placed[0] if len(placed) == 1 and _is_all(placed[0], length) else None
    notices = [
        _notice(one, is_cause=(structure.is_failure or alone is one) and not explained)
        for one in placed
        if _is_notice(one)
    ]
    harmless = [one for one in placed if not _is_notice(one) and one.role is Role.HARMLESS]
    told = list(_follow_links(told, structure))
    ordered = sorted([*told, *notices, *harmless], key=lambda one: one.rank)
    told_so = sorted(_follow(ordered, structure), key=lambda one: one.rank)
    proven = [_prove(one, structure, deciding) for one in told_so]
    proven = [*_put_guesses_below(proven)]
    first = next((one for one in proven if one.role is Role.CAUSE), None)
    return tuple(_follow_on(one, first) for one in proven)


def _put_guesses_below(proven: Sequence[Match]) -> Sequence[Match]:
    """Return matches with the causes that are guesses behind those that are not.

    A name that nobody knows makes a cause less sure, and no other one likelier.
    """
    causes = [one for one in proven if one.role is Role.CAUSE and not one.doubt]
    others = [one for one in proven if one.role is not Role.CAUSE or one.doubt]
    guesses = [
        one
        for one in causes
        if one.confidence is Confidence.GUESS and one.grounds.get(Ground.NAME) is not False
    ]
    return [*(one for one in causes if one not in guesses), *guesses, *others]


def _follow_on(match: Match, first: Match | None) -> Match:
    """Return what follows no surer than what it follows from."""
    if first is None or match.role is not Role.CONSEQUENCE:
        return match
    sure = max(match.confidence, first.confidence, key=list(Confidence).index)
    return replace(match, confidence=sure)


def _prove(match: Match, structure: Structure, deciding: Line | None) -> Match:
    """Return a match with what speaks for it in this log, and no surer than that makes it."""
    if match.role is Role.HARMLESS:
        return match
    line = Line(number=match.line, text=match.text)
    place = structure.place(match.line)
    is_known = is_of_the_field(structure.chains[place[0]]) if place else None
    is_anywhere = match.entry.topic not in FAMILIES or match.entry.topic in ANYWHERE
    grounds = {
        **match.grounds,
        **weigh_wording(match.entry, match.wording, match.text),
        # Nobody knows what is decided by an exception that the log does not have.
        Ground.PLACE: None
        if match.role is Role.CONSEQUENCE
        else not structure.is_unknown and decides(match.entry, line, structure, deciding),
        Ground.CODE: None if is_anywhere and not is_known else is_known,
    }
    return replace(match, grounds=grounds, confidence=weigh(grounds, match.confidence))


def _find_past(structure: Structure, sections: Sections) -> Callable[[int], bool]:
    """Return what tells whether the log itself says that a line is not why the run failed."""
    end = find_end(structure)
    command = find_last_failed(sections.prompts, structure)
    went_on = max((one for one in sections.progress if one > end), default=0)
    succeeded = [one for one in sections.success if one > end]

    def is_past(line: int) -> bool:
        if line < max(command, went_on) or line in sections.prompts:
            return True
        if structure.is_in_traceback(line):
            return False
        # What a later command says of its work says nothing of an earlier one's.
        ended = min((one for one in sections.prompts if one > line), default=None)
        return line in sections.quoted or any(
            line < one and (ended is None or one < ended) for one in succeeded
        )

    return is_past


_NETWORK = frozenset(
    {
        *("family-unreachable", "family-download-cut", "family-download-broke-off"),
        *("family-timed-out", "family-tls", "family-proxy", "ssl-certificate-verify"),
        *("python-without-ssl", "certificate-not-trusted", "proxy-not-there", "host-not-resolved"),
        *("index-not-reached", "proxy-needs-socks"),
    }
)
_ABSENCE = frozenset(
    {
        *("family-command-missing", "family-file-missing", "family-no-such-version"),
        *("conda-is-not-in-path", "resolver-no-release"),
        *("family-conda-no-package", "family-conda-unsolvable", "family-cuda-build-wanted"),
        *("family-no-versions-at-all", "family-resolver-conflict", "torch-not-for-this-python"),
    }
)
"""What is told to be missing is so since it could not be fetched, whichever was printed first."""


def _limit(match: Match, structure: Structure, deciding: Line | None, since: int) -> Match:
    """Return a match no surer than the log supports it; `since` is the last failed command's."""
    if match.role is not Role.CAUSE or match.entry.notice:
        return match
    line = Line(number=match.line, text=match.text)
    limit = find_limit(match.entry, line, structure, deciding, is_named=match.is_named)
    earlier = match.entry.symptom and find_earlier(match.entry, match.line, structure, since)
    is_late = bool(earlier)
    limit = Confidence.GUESS if is_late else limit
    sure = max(match.confidence, limit, key=list(Confidence).index)
    return replace(match, confidence=sure, is_late=is_late)


def _doubt(match: Match, others: Sequence[Match]) -> Match:
    """Return a match as a guess if what it tells is explained by another's cause."""
    is_explained = match.entry.id in _ABSENCE and any(
        one.entry.id in _NETWORK and one.on_error and one.confidence is not Confidence.GUESS
        for one in others
    )
    return replace(match, confidence=Confidence.GUESS) if is_explained else match


def _wrap(match: Match, others: Sequence[Match], structure: Structure) -> Match:
    """Return a match as a guess if its exception only wraps another one, which nobody knows."""
    place = structure.place(match.line)
    if not _is_family(match) or place is None or place[1] == 0:
        return match
    chain = structure.chains[place[0]]
    if chain[place[1]].relation not in (Relation.BECAUSE, Relation.HANDLING):
        return match
    behind = chain[: place[1]]
    known = any(one.start <= other.line <= one.end for one in behind for other in others)
    return match if known else replace(match, confidence=Confidence.GUESS)


def _tells_nothing(match: Match, structure: Structure) -> bool:
    """Return whether a line has no word of failure, though those that the entry is for have one."""
    if structure.place(match.line) is not None or may_tell(match.text):
        return False
    return any(may_tell(line) for line in match.entry.example.split("\n"))


def _is_notice(match: Match) -> bool:
    """Return whether a healthy run may have printed a line: it is a notice, or only warns."""
    says = is_warning if _is_family(match) else goes_on
    # An entry may be of a line that goes on: then that it does so says nothing against it.
    warns = says(match.text) and not says(match.entry.example)
    return match.entry.notice or (warns and match.role is Role.CAUSE)


def _is_all(match: Match, length: int | None) -> bool:
    """Return whether a log is no longer than the example of a family's notice in it.

    Of single failures, healthy runs of the tested toolchain itself print such notices.
    """
    example = match.entry.example.strip().split("\n")
    is_family = match.entry.notice and _is_family(match)
    return is_family and length is not None and length <= len(example)


def _is_family(match: Match) -> bool:
    """Return whether a match is of a family, whose words a run that went on may print, too."""
    return match.entry.topic in FAMILIES and match.role is Role.CAUSE


def _notice(match: Match, *, is_cause: bool) -> Match:
    """Return a notice as a guess if nothing else explains the failure, as harmless otherwise."""
    if not is_cause:
        return replace(match, role=Role.HARMLESS)
    if not match.entry.notice:
        return replace(match, confidence=Confidence.GUESS, in_chain=False)
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
        or one.line in structure.reported
        or _REPORTS.search(one.text)
    ]


_REPORTS = re.compile(
    r"\*\*Exception Message:\*\*|^!!! Exception during processing|^Error occurred when executing \S"
)
"""With which ComfyUI reports what ended a workflow, whatever another traceback tells."""


def _follow_links(matches: Sequence[Match], structure: Structure) -> Iterator[Match]:
    """Let what a chain of reasons says follow from what a later link of it says."""
    for match in matches:
        behind = {
            line.number
            for links in structure.links
            if any(line.number == match.line for line in links)
            for line in links
            if line.number > match.line
        }
        is_explained = match.role is Role.CAUSE and any(
            one.line in behind and one.role is Role.CAUSE and not one.entry.vague and not one.doubt
            for one in matches
        )
        yield replace(match, role=Role.CONSEQUENCE) if is_explained else match


def _is_behind(place: tuple[int, int] | None, first: tuple[int, int] | None) -> bool:
    return place is not None and first is not None and place[0] == first[0] and place[1] > first[1]


def find_last_failed(prompts: Sequence[int], structure: Structure) -> int:
    """Return the line of the last command that a failure is behind; 0 if there is none."""
    return max((one for one in prompts if one < find_end(structure)), default=0)


def find_end(structure: Structure) -> int:
    """Return the line of the last failure; 0 if there is none."""
    failed = [line.number for line in structure.errors]
    failed += [chain[0].start for chain in structure.chains]
    return max(failed, default=0)

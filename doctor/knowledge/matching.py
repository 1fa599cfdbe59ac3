"""Says what an entry that was found in a log means there: its cause and remedy, and how sure it is.

The log decides which case of an entry it is, and what stands in its places; the versions there, and
what its names are known as, speak for the cause or against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sdcoreml.doctor.knowledge import Confidence, Failure, Role, fill
from sdcoreml.doctor.knowledge.built import tell_built
from sdcoreml.doctor.knowledge.cases import find_case
from sdcoreml.doctor.knowledge.clashes import find_contradiction
from sdcoreml.doctor.knowledge.conflicts import tell_conflict
from sdcoreml.doctor.knowledge.grounds import Ground
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.names import MEANT, are_known
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.refusals import name_refuser
from sdcoreml.doctor.knowledge.searching import Found
from sdcoreml.doctor.knowledge.skew import DOUBTFUL, FAILING, Skew, resolve
from sdcoreml.doctor.knowledge.stated import Blank, add_stated, is_of_other_versions
from sdcoreml.doctor.knowledge.structure import Structure
from sdcoreml.doctor.knowledge.support import is_named_elsewhere
from sdcoreml.doctor.knowledge.tensors import add_kinds
from sdcoreml.ground.names import normalise


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log as it was read: what is looked at for each entry that was found in it."""

    lines: Sequence[Line]
    structure: Structure
    skew: Skew
    own: frozenset[str]
    facts: Mapping[str, str]


def tell(known: Failure, found: Found, log: Log) -> Match | None:
    """Return what an entry that was found says of a log; None if its line is of another matter."""
    line, versions = found.line, log.skew.versions
    entry, captured = _refine(known, found, log.lines)
    named = name_refuser(entry, line, captured, log.structure.chains)
    resolved = resolve(entry, line, named, log.skew)
    told = resolved and tell_conflict(entry.id, line.number, resolved, log.lines)
    told = told and tell_built(entry.id, told, log.lines)
    if told is None or (line.number in log.structure.builds and entry.id in _OF_AN_ENVIRONMENT):
        return None
    told = add_stated(
        Blank(entry=entry, line=line, captured=add_kinds(told), skew=log.skew, lines=log.lines)
    )
    is_doubtful = DOUBTFUL in told or is_of_other_versions(line, log.lines)
    is_known = False if is_doubtful else are_known(told, log.own)
    doubt = find_contradiction(entry, versions)
    told_of = replace(
        _fill(entry, line, told, doubt, log.facts if is_known is not False else None),
        wording=found.wording,
        grounds=_find_grounds(entry, told, versions, is_known=is_known),
    )
    if not entry.symptom:
        return told_of
    is_named = is_named_elsewhere(line.number, captured.values(), log.lines)
    return replace(told_of, is_named=is_named)


def _refine(
    entry: Failure, found: Found, lines: Sequence[Line]
) -> tuple[Failure, Mapping[str, str]]:
    """Return an entry as it reads in the case that a log is, with what both captured."""
    case_and_more = find_case(entry.cases, found.line, lines)
    if case_and_more is None:
        return entry, found.captured
    case, more = case_and_more
    refined = replace(
        entry,
        cause=case.cause or entry.cause,
        fix=case.fix or entry.fix,
        confidence=Confidence(case.confidence) if case.confidence else entry.confidence,
        role=Role.HARMLESS if case.role else entry.role,
        notice=entry.notice and not case.role,
    )
    return refined, {**found.captured, **more}


_OF_AN_ENVIRONMENT = frozenset(
    {
        *("torch-missing-in-venv", "family-module-missing", "family-module-absent"),
        *("family-submodule-gone", "family-submodule-absent"),
        *("family-import-name", "family-removed-attribute"),
    }
)
"""What is said of the Python that ran; pip builds packages in another, which has next to none."""


def _find_grounds(
    entry: Failure,
    captured: Mapping[str, str],
    versions: Mapping[str, str],
    *,
    is_known: bool | None,
) -> Mapping[Ground, bool | None]:
    """Return what the names and versions in a line say of an entry's cause."""
    has_versions = bool(entry.when) and all(normalise(name) in versions for name in entry.when)
    return {
        Ground.NAME: is_known,
        Ground.VERSION: FAILING in captured or has_versions or None,
    }


def _fill(
    entry: Failure,
    line: Line,
    captured: Mapping[str, str],
    doubt: str,
    facts: Mapping[str, str] | None,
) -> Match:
    """Return a match, with what its line and the log say in their places.

    `facts` is what the log says elsewhere; None if nobody knows what the line names.
    """
    sure = captured.get(_CONFIDENCE, entry.confidence.value)
    told = {name: value for name, value in captured.items() if name != _CONFIDENCE}
    # What nobody knows is not said to be what the entry takes it for.
    known = {name: one for name, one in told.items() if name not in MEANT}
    said = known if facts is None else {**facts, **told}
    return Match(
        entry=entry,
        line=line.number,
        text=line.text,
        captured=told,
        role=entry.role,
        confidence=Confidence.GUESS if doubt else Confidence(sure),
        cause=fill(entry.cause, said),
        fix=fill(entry.fix, said),
        doubt=doubt,
    )


_CONFIDENCE = "confidence"
"""The group with which `skew.resolve` says how sure it is."""

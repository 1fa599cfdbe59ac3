"""Known failures of other people's conversions, as data: 141 single ones, and families of them.

Each entry in the TOML files of this folder has:

    id          a stable name
    role        cause; consequence (of an earlier cause); harmless (never the cause)
    pattern     a Python regular expression, searched for in the whole log, with re.MULTILINE; or a
                list of them, for the wordings of one cause
    example     a real line of a log that the pattern matches (a test checks that)
    when        optional: version ranges by project, `python` or `macos`, all of which must hold
    last        optional, true: counts only as the last line of a log
    vague       optional, true: says little, so that any other guess comes before it
    stage       optional: counts only in an exception that was raised there (see `stages`): while
                downloading, loading, translating a model's operations, importing, in an
                extension, or by an extension's own code; {name} is its name; `cut`: only in a
                traceback that the log cuts off before its exception
    symptom     optional: tells only what any failure before it may explain: an absence (something
                is missing or refused) or an outcome (not built, killed); see `support`
    notice      optional, true: healthy runs print it too, so that it is a cause only where a run
                failed and nothing else explains why
    confidence  optional: certain (the default; of families and symptoms it is likely), likely, a
                guess
    documented  optional, true: who prints it documents what it means, so that no judged logs have
                to show it
    cause       why it happens, in a sentence; {name} stands for the pattern's group of that name,
                {name|else} for it or, if it matched nothing, what is behind the bar
    fix         what to do about it, likewise
    checks      ids of the checks that find it before it happens
    seen        where it was reported
    case        optional: tables of what is said in place of the cause or the fix where the log
                decides between several (see `cases`)

The entries of clashes.toml are combinations of versions that fail even without a log to match; they
have their own file so that every run of the doctor can read them quickly. The entries of the files
in `FAMILIES` are kinds of failures in the wordings of many programs: a family is certain only where
five judged logs or more were named by it, and no log at first sight was another's. How many judged
logs have each wording is in evidence.toml, which a test writes from them; what else has to speak
for a cause is in grounds.py. The groups `module`, `package`, `asked`, `build`, `command`, `path`,
`file`, `folder` and `device` capture names of what they are called (see names.py); `tells` is the
part of a match of several lines that is quoted. If several
entries match the same line, the first is taken, so specific entries come before general ones, and
families last.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

from sdcoreml.doctor.knowledge.alternatives import split
from sdcoreml.doctor.knowledge.cases import Case, read_case
from sdcoreml.doctor.knowledge.evidence import Evidence, find_evidence
from sdcoreml.doctor.knowledge.stages import Stage
from sdcoreml.doctor.knowledge.topics import FAMILIES, FILES
from sdcoreml.lockfiles.table import TomlTable, read_table

_FOLDER = Path(__file__).parent
_FIELDS = frozenset(
    (
        *(
            "id",
            "role",
            "pattern",
            "example",
            "when",
            "last",
            "notice",
            "confidence",
            "stage",
            "vague",
            "symptom",
            "documented",
        ),
        *("cause", "fix", "checks", "seen", "case"),
    )
)


class Role(Enum):
    """The meaning of a log line that matches an entry."""

    CAUSE = "cause"
    CONSEQUENCE = "consequence"
    HARMLESS = "harmless"


class Confidence(Enum):
    """How sure it is that an entry's cause is the cause of what a log tells."""

    CERTAIN = "certain"
    LIKELY = "likely"
    GUESS = "a guess"


class Symptom(Enum):
    """What an entry tells that only tells a symptom."""

    ABSENCE = "absence"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One known failure, or a family; see the module's description for its fields.

    `evidence` tells what judged logs say of it; None if nobody asks them.
    """

    id: str
    topic: str
    role: Role
    pattern: str
    example: str
    when: Mapping[str, str]
    last: bool = False
    notice: bool = False
    vague: bool = False
    symptom: Symptom | None = None
    stage: Stage | None = None
    confidence: Confidence = Confidence.CERTAIN
    cause: str
    fix: str
    checks: tuple[str, ...]
    seen: tuple[str, ...]
    is_documented: bool = False
    cases: tuple[Case, ...] = ()
    evidence: Callable[[], Evidence] | None = None


def fill(text: str, captured: Mapping[str, str] = MappingProxyType({})) -> str:
    """Put what was captured in its place in a cause or a fix; see the module's description.

    What has neither a letter nor a digit is as good as nothing captured. A sentence that begins
    with a word of the language gets a capital; names keep theirs.
    """
    filled = _PLACE.sub(lambda found: _choose(found, captured), text)
    return _BEGIN.sub(lambda found: found[0].capitalize(), _EMPTY.sub("", filled))


def _choose(place: re.Match[str], captured: Mapping[str, str]) -> str:
    value = captured.get(place["name"], "")
    return value if _SAYS.search(value) else place["other"] or ""


_PLACE = re.compile(r"\{(?P<name>\w+)(?:\|(?P<other>[^{}]*))?\}")
_BEGIN = re.compile(
    r"^(?:an?|the|this|that|its?|no|one|some|another|both|two|what|which|there)(?= )"
)
_BARE = re.compile(r"\{\w+\}")
_SAYS = re.compile(r"\w")
_EMPTY = re.compile(r" \(\s*\)| +(?= |[,.;:)](?: |$))")
"""What is left of a sentence where a place that may be empty is."""


@cache
def entries() -> tuple[Failure, ...]:
    """Return all entries, in order; raise a `LockfileError` with every fault of a damaged file."""
    return tuple(entry for topic in (*FILES, *FAMILIES) for entry in of_topic(topic))


@cache
def of_topic(topic: str) -> tuple[Failure, ...]:
    """Return the entries of one topic (a key of `FILES`)."""
    return tuple(
        replace(entry, evidence=partial(find_evidence, entry.id, entry.pattern, entry.example))
        for entry in read(_FOLDER / f"{topic}.toml")
    )


def read(path: Path) -> tuple[Failure, ...]:
    """Read the entries of one file."""
    table = read_table(path)
    found = tuple(_entry(row, path.stem) for row in table.tables("entry"))
    table.finish()
    return found


def _entry(table: TomlTable, topic: str) -> Failure:
    strange = sorted(set(table.values) - _FIELDS)
    table.faults.extend(f"{table.place}{name} is not a field of an entry" for name in strange)
    table.faults.extend(
        f"{one.place}{name} has no bar, behind which stands what is said without it"
        for one in (table, *table.tables("case"))
        for name in _BARE.findall(f"{one.values.get('cause')} {one.values.get('fix')}")
    )
    role = table.get("role", str)
    if role not in {one.value for one in Role}:
        table.faults.append(f"{table.place}role {role!r} is none of cause, consequence, harmless")
        role = Role.CAUSE.value
    symptom = table.values.get("symptom")
    if symptom is not None and symptom not in {one.value for one in Symptom}:
        table.faults.append(f"{table.place}symptom {symptom!r} is none of absence, outcome")
        symptom = None
    is_likely = topic in FAMILIES or symptom is not None
    usual = Confidence.LIKELY if is_likely else Confidence.CERTAIN
    sure = table.values.get("confidence", usual.value)
    if sure not in {one.value for one in Confidence}:
        table.faults.append(f"{table.place}confidence {sure!r} is none of certain, likely, a guess")
        sure = usual.value
    is_documented = table.values.get("documented") is True
    is_counted = topic in FAMILIES and sure == _LIKELY and not is_documented
    cases = tuple(map(read_case, table.tables("case")))
    for case in cases:
        if case.confidence not in {"", *(one.value for one in Confidence)}:
            said = f"confidence {case.confidence!r} of a case"
            table.faults.append(f"{table.place}{said} is none of certain, likely, a guess")
    stage = table.values.get("stage")
    if stage is not None and stage not in {one.value for one in Stage}:
        table.faults.append(f"{table.place}stage {stage!r} is none of {_STAGES}")
        stage = None
    return Failure(
        id=table.get("id", str),
        topic=topic,
        role=Role(role),
        pattern=_pattern(table, is_counted=is_counted),
        example=table.get("example", str),
        when=table.table("when").mapping(),
        last=table.values.get("last") is True,
        notice=table.values.get("notice") is True,
        vague=table.values.get("vague") is True,
        symptom=None if symptom is None else Symptom(symptom),
        stage=None if stage is None else Stage(stage),
        confidence=Confidence(sure),
        cause=table.get("cause", str),
        fix=table.get("fix", str),
        checks=table.strings("checks"),
        seen=table.strings("seen"),
        is_documented=is_documented,
        cases=cases,
    )


_LIKELY = Confidence.LIKELY.value


def _pattern(table: TomlTable, *, is_counted: bool) -> str:
    """Return the pattern of all wordings, with groups that differ in name.

    If they are counted, an empty group at a wording's end says which it is: the last of a match.
    """
    is_list = isinstance(table.values.get("pattern"), list)
    given = table.strings("pattern") if is_list else (table.get("pattern", str),)
    numbers = itertools.count()
    told = [
        _number(part, numbers)
        for flagged in (_FLAG.sub(r"(?i:\1)", wording) for wording in given)
        for part in (split(flagged) if is_counted else (flagged,))
    ]
    if not is_counted or len(told) == 1:
        return "|".join(told) if is_list else given[0]
    return "|".join(f"(?:{part})(?P<{WORDING}{APART}{at}>)" for at, part in enumerate(told))


def _number(part: str, numbers: Iterator[int]) -> str:
    """Return a wording whose groups, and what refers back to them, have names of their own."""
    names = dict[str, str]()

    def rename(group: re.Match[str]) -> str:
        if group["same"]:
            return f"(?P={names[group['same']]})"
        names[group["name"]] = f"{group['name']}{APART}{next(numbers)}"
        return f"(?P<{names[group['name']]}>"

    return _GROUP.sub(rename, part)


APART = "__"
"""What stands between a group's name and the number of its wording."""

WORDING = "wording"
"""The group that says which of the wordings matched."""

TELLS = "tells"
"""The group that is the part which tells, where a match is of several lines."""

_STAGES = ", ".join(one.value for one in Stage)
_GROUP = re.compile(r"\(\?P(?:<(?P<name>\w+)>|=(?P<same>\w+)\))")
_FLAG = re.compile(r"^\(\?i\)(.*)", re.DOTALL)

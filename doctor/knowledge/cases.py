"""Tells which case of an entry a log is: what its line, or another one, says beyond the pattern.

One wording may have several causes. Where the log decides between them, nobody wants a list:

    [[entry.case]]
    pattern     a regular expression that the entry's line has, too; optional beside `beside`
    beside      one that any line of the log has; optional beside `pattern`, of which it takes what
                a group captured: {name}
    example     lines of a log that are this case (a test checks that)
    cause, fix  what is said in place of the entry's; what is left out is the entry's
    confidence  optional, in place of the entry's
    role        optional, "harmless": in this case nothing failed, whatever the entry else is

The first case that a log has is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.lockfiles.table import TomlTable

FIELDS = frozenset({"pattern", "beside", "example", "cause", "fix", "confidence", "role"})

HARMLESS = "harmless"
"""The only role that a case may have in place of the entry's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of an entry; see the module's description for its fields."""

    pattern: str
    beside: str
    example: str
    cause: str
    fix: str
    confidence: str
    role: str = ""


def read_case(table: TomlTable) -> Case:
    """Read a case; note what is wrong with it in the table's faults."""
    strange = sorted(set(table.values) - FIELDS)
    table.faults.extend(f"{table.place}{name} is not a field of a case" for name in strange)
    given = {name: table.get(name, str, "") for name in sorted(FIELDS - {"example"})}
    if not (given["pattern"] or given["beside"]) or not (given["cause"] or given["fix"]):
        table.faults.append(f"{table.place}pattern or beside, and cause or fix, are missing")
    if given["role"] not in {"", HARMLESS}:
        table.faults.append(f"{table.place}role {given['role']!r} of a case is not {HARMLESS}")
    return Case(example=table.get("example", str), **given)


def find_case(
    cases: Sequence[Case], line: Line, lines: Sequence[Line]
) -> tuple[Case, Mapping[str, str]] | None:
    """Return the first case that a log is, with what its patterns captured; None if it is none."""
    for case in cases:
        own = _compile(case.pattern).search(line.text)
        other = own and _search(_name(case.beside, own.groupdict()), lines)
        if own and other:
            groups = {**other.groupdict(), **own.groupdict()}
            return case, {name: value for name, value in groups.items() if value}
    return None


def _name(pattern: str, groups: Mapping[str, str | None]) -> str:
    """Put what groups captured in their places in a pattern; braces with digits are its own."""
    return _PLACE.sub(lambda place: re.escape(groups.get(place[1]) or ""), pattern)


_PLACE = re.compile(r"\{([a-z]\w*)\}")


def _search(pattern: str, lines: Sequence[Line]) -> re.Match[str] | None:
    found = _compile(pattern)
    if not pattern:
        return found.search("")
    return next((one for line in lines if (one := found.search(line.text))), None)


@lru_cache(maxsize=1024)  # a pattern may have words of a log, of which there is no end
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)

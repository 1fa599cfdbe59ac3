"""Finds the causes in a log, the innermost first, and marks harmless lines.

With chained exceptions, Python prints the original one first, and then those raised while handling
it. So the earliest cause in a log comes first; consequences come after all causes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sdcoreml.doctor.knowledge import Failure, Role
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import is_version, satisfies

LONGEST = 2_000_000
"""The number of characters read from the end of a log, where failures are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An entry found in a log: the line's number (from 1), its text, and the pattern's groups.

    `doubt` is "", or says which installed version contradicts the entry's conditions.
    """

    entry: Failure
    line: int
    text: str
    captured: Mapping[str, str]
    doubt: str = ""

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The sort key of matches: contradicted ones last, causes first, then the earliest line."""
        return bool(self.doubt), list(Role).index(self.entry.role), self.line


def diagnose(
    log: str, entries: Iterable[Failure], versions: Mapping[str, str] | None = None
) -> tuple[Match, ...]:
    """Find all known failures in a log, the most likely cause first.

    Args:
        log: the text; only the last `LONGEST` characters are read.
        entries: the known failures, specific entries before general ones.
        versions: the versions in the log's environment, by project, `python` and `macos`; a
            condition on a version that is not given counts as fulfilled.
    """
    skipped = log[: max(0, len(log) - LONGEST)].count("\n")
    log = log[-LONGEST:].replace("\r\n", "\n").replace("\r", "\n")
    starts = [0, *(found.end() for found in re.finditer("\n", log))]
    end = len(starts) if not log.endswith("\n") else len(starts) - 1
    matches: dict[int, Match] = {}
    for entry in entries:
        found = _find(entry, log, starts, end)
        if found is None or (found.line in matches and not matches[found.line].doubt):
            continue
        matches[found.line] = Match(
            entry=entry,
            line=found.line + skipped,
            text=found.text,
            captured=found.captured,
            doubt=find_contradiction(entry, versions or {}),
        )
    return tuple(sorted(matches.values(), key=lambda match: match.rank))


def _find(entry: Failure, log: str, starts: list[int], end: int) -> Match | None:
    """Return the entry's first match in the log, if any."""
    for found in re.finditer(entry.pattern, log, re.MULTILINE):
        line = bisect_right(starts, found.start())
        if entry.last and line != end:
            continue
        text = log[starts[line - 1] :].partition("\n")[0].strip()
        captured = {name: value for name, value in found.groupdict().items() if value}
        return Match(entry=entry, line=line, text=text, captured=captured)
    return None


def find_innermost(log: str) -> tuple[int, str] | None:
    """Return the line number (from 1) and text of the exception that ends the first traceback.

    With chained exceptions the first is the cause; the lines of a traceback are indented, the
    exception is not.
    """
    inside = False
    for number, line in enumerate(log.splitlines(), start=1):
        if line.lstrip().startswith("Traceback (most recent call last)"):
            inside = True
        elif inside and line and not line[0].isspace():
            return number, line.strip()
    return None


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

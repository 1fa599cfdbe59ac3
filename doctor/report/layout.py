"""Lays out the report as lines of styled text, without I/O.

It has 80 columns, and uses words instead of symbols, so that it reads the same without colour and
in a screen reader. A family without findings has one line; a finding says what it is, why it
matters and what to run; the verdicts come last.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sdcoreml.doctor.core.check import CheckFamily, Finding, Status
from sdcoreml.doctor.core.engine import Report, Result

WIDTH = 80
_LABEL = 9
_HEADING = 13
_SLOW = 3
_TOLD = 0.005
"""Costs below this many seconds would be shown as 0.00, so they are left out."""

_COMMAND = re.compile(r"`[^`]+`")
_UNBROKEN = "\0"
_NAMED = 5
_CHANGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A label in the style of a status, then plain text."""

    label: str = ""
    style: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.label:<{_LABEL}}{self.text}".rstrip()


def page(report: Report) -> tuple[Line, ...]:
    """Return the whole report as lines."""
    return (
        *_families(report),
        *_findings(report),
        Line(),
        *_changes(report),
        *_tally(report),
        *_verdicts(report),
    )


def _families(report: Report) -> Iterator[Line]:
    for family, group in groupby(report.results, key=lambda result: result.family):
        yield from _family(family, tuple(group))


def _family(family: CheckFamily, results: Sequence[Result]) -> Iterator[Line]:
    """Yield a family's line: the ids of its findings, else its facts or why it was skipped."""
    said = [result for result in results if result.status.rank > Status.OK.rank]
    if said:
        worst = max((result.status for result in said), key=lambda status: status.rank)
        summary = "see " + ", ".join(result.id for result in said)
    elif all(result.status is Status.SKIPPED for result in results):
        worst, summary = Status.SKIPPED, results[0].reason
    else:
        worst = Status.OK
        facts = [finding.what for result in results for finding in result.findings]
        summary = "; ".join(facts) or _checks(len(results))
    yield from _wrap(worst.value, worst.value, f"{family.value:<{_HEADING}}", summary)


def wrap(label: str, text: str, width: int = WIDTH) -> list[str]:
    """Wrap a paragraph after its label with a hanging indent; never breaks words or commands."""
    lines = textwrap.wrap(
        _COMMAND.sub(lambda found: found[0].replace(" ", _UNBROKEN), text),
        width,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_UNBROKEN, " ") for line in lines]


def _wrap(label: str, style: str, head: str, text: str) -> Iterator[Line]:
    """Wrap `text` after `head` to the page's width, with a hanging indent."""
    first, *others = wrap(head, text, WIDTH - _LABEL) or [head]
    yield Line(label=label, style=style, text=first)
    yield from (Line(text=line) for line in others)


def _findings(report: Report) -> Iterator[Line]:
    for result in report.problems():
        for finding in result.findings:
            if finding.status is not Status.OK:
                yield Line()
                yield from _finding(result, finding)
    reasons = dict.fromkeys(result.reason for result in report.problems() if result.reason)
    for reason in reasons:
        ids = ", ".join(result.id for result in report.problems() if result.reason == reason)
        yield Line()
        yield from _wrap(Status.UNKNOWN.value, Status.UNKNOWN.value, "", ids)
        yield from _wrap("", "", "why   ", reason)


def _finding(result: Result, finding: Finding) -> Iterator[Line]:
    status = Status.INFO if result.ignored else finding.status
    yield from _wrap(status.value, status.value, f"{result.id}  ", finding.what)
    if result.ignored:
        yield from _wrap("", "", "ignored  ", result.ignored)
    if finding.why:
        yield from _wrap("", "", "why   ", finding.why)
    if finding.fix:
        yield from _wrap("", "", "do    ", finding.fix.title)
        for command in finding.fix.commands:
            yield Line(text=f"run   {shlex.join(command)}")


def _changes(report: Report) -> Iterator[Line]:
    """Yield the changes since the compared facts, the likeliest culprits first."""
    if not report.compared:
        return
    what = "this" if report.changes else "nothing"
    yield from _wrap("changed", Status.INFO.value, "", f"{what} since {report.compared}")
    for change in report.changes[:_CHANGES]:
        yield from _wrap("", "", "  ", change)
    if (more := len(report.changes) - _CHANGES) > 0:
        yield Line(text=f"  and {more} more")
    yield Line()


_COUNTED: Mapping[Status, tuple[str, str]] = {
    Status.ERROR: ("error", "errors"),
    Status.WARNING: ("warning", "warnings"),
    Status.UNKNOWN: ("unknown", "unknown"),
    Status.INFO: ("note", "notes"),
    Status.OK: ("well", "well"),
}
"""The word for each status, singular and plural, the worst first."""


def _checks(number: int) -> str:
    return f"{number} check{'s' * (number != 1)}"


def _tally(report: Report) -> Iterator[Line]:
    """Yield the number of checks by status, the time taken, and the slowest groups of facts."""
    counts = [
        f"{number} {words[number != 1]}"
        for status, words in _COUNTED.items()
        if (number := report.count(status))
    ]
    idle = report.count(Status.SKIPPED)
    took = f" in {report.seconds:.2f} s" if report.seconds else ""
    text = f"{_checks(len(report.results) - idle)}{took}: {', '.join(counts) or 'none'}"
    if idle:
        text += f"; {idle} more had nothing to look at"
    slowest = sorted(report.costs.items(), key=lambda item: -item[1])[:_SLOW]
    costs = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in slowest if seconds >= _TOLD)
    yield from _wrap("checked", "", "", text + (f" (slowest: {costs})" if costs else ""))
    if report.left_out:
        left_out = f"no time for {', '.join(report.left_out)}"
        yield from _wrap(Status.UNKNOWN.value, Status.UNKNOWN.value, "", left_out)


_ANSWERS = {"yes": Status.OK.value, "no": Status.ERROR.value, "unknown": Status.UNKNOWN.value}


def _verdicts(report: Report) -> Iterator[Line]:
    for verdict in report.verdicts:
        text = verdict.sentence
        if verdict.because:
            more = len(verdict.because) - _NAMED
            text += " (" + ", ".join(verdict.because[:_NAMED])
            text += f" and {more} more)" if more > 0 else ")"
        if verdict.needs:
            text += "; it takes " + ", ".join(verdict.needs)
        yield from _wrap(verdict.answer, _ANSWERS[verdict.answer], "", text)

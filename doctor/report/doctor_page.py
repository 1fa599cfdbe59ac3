"""The doctor's report as a page: the verdicts first, then what to do, then every check."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from sdcoreml.doctor.core.check import Finding, Status
from sdcoreml.doctor.core.engine import GoalVerdict, Report, Result
from sdcoreml.doctor.report.run_page import SELF_CONTAINED
from sdcoreml.ground.charts import bar
from sdcoreml.ground.markup import Child, Markup, element, join, prose
from sdcoreml.ground.page import (
    Column,
    Page,
    Section,
    Tone,
    facts,
    folded,
    listing,
    paragraph,
    table,
    verdicts,
)

_TONES: Mapping[Status, Tone] = {
    Status.ERROR: "bad",
    Status.WARNING: "open",
    Status.UNKNOWN: "open",
    Status.INFO: "note",
    Status.OK: "good",
    Status.SKIPPED: "note",
}
_ANSWERS: Mapping[str, Tone] = {"yes": "good", "no": "bad", "unknown": "open"}
_SLOW = 0.005
"""Groups of facts that took fewer seconds are not listed."""


def page(report: Report) -> Page:
    """Return the page of a report."""
    return Page(
        kind="The doctor's report",
        title=_title(report),
        lead=tuple(_lead(report)),
        sections=(
            Section(key="verdict", title="Verdict", content=tuple(_verdicts(report))),
            Section(key="findings", title="What to do", content=tuple(_findings(report))),
            Section(key="changes", title="What changed", content=tuple(_changes(report))),
            Section(key="checks", title="All checks", content=tuple(_checks(report))),
            Section(key="time", title="Time", content=tuple(_costs(report))),
        ),
        foot=("It may name folders of this machine: read it before you share it.", SELF_CONTAINED),
    )


def _title(report: Report) -> str:
    if count := report.count(Status.ERROR):
        return f"{count} error{'s' * (count > 1)}"
    if count := report.count(Status.WARNING):
        return f"{count} warning{'s' * (count > 1)}, no errors"
    if any(verdict.answer == "no" for verdict in report.verdicts):
        return "Not possible here"
    if report.count(Status.UNKNOWN) or report.left_out:
        return "No errors found, but not all is known"
    return "All is well"


def _lead(report: Report) -> Iterator[str]:
    parts = (report.target, f"toolchain {report.toolchain}" if report.toolchain else "")
    yield ", ".join(part for part in parts if part)
    looked = len(report.results) - report.count(Status.SKIPPED)
    idle = report.count(Status.SKIPPED)
    rest = f"; {idle} more had nothing to look at" if idle else ""
    yield f"{looked} checks in {report.seconds:.2f} s{rest}"


def _verdicts(report: Report) -> Iterator[Markup]:
    shown = frozenset(result.id for result in report.results)
    if report.verdicts:
        yield verdicts(
            (_ANSWERS[one.answer], one.answer, _sentence(one, shown)) for one in report.verdicts
        )
    if report.left_out:
        yield paragraph(f"There was no time for {', '.join(report.left_out)}.")


def _sentence(one: GoalVerdict, shown: frozenset[str]) -> Markup:
    """Return a verdict with links to the checks that it is because of."""
    links: list[Child] = []
    for name in one.because:
        is_shown = name in shown
        found = element("a", name, href=f"#{_anchor(name)}") if is_shown else name
        links += [", " if links else " (", found]
    because = (*links, ")") if links else ()
    needs = f"; it takes {', '.join(one.needs)}" if one.needs else ""
    return join(one.sentence, *because, needs)


def _anchor(name: str) -> str:
    return "check-" + "".join(letter for letter in name if letter.isalnum())


def _findings(report: Report) -> Iterator[Markup]:
    for result in report.problems():
        shown = [one for one in result.findings if one.status is not Status.OK]
        parts = [part for one in shown for part in _finding(result, one)]
        if result.reason:
            parts.append(paragraph(result.reason))
        yield element(
            "div",
            element(
                "h3",
                element("span", result.status.value, class_=f"word {_TONES[result.status]}"),
                f" {result.title} ",
                element("span", result.id, class_="note"),
            ),
            *parts,
            class_="finding",
        )


def _finding(result: Result, one: Finding) -> Iterator[Markup]:
    yield paragraph(one.what)
    if result.ignored:
        yield paragraph(f"Ignored: {result.ignored}", class_="aside")
    if one.why:
        yield paragraph(one.why, class_="aside")
    if one.fix:
        yield paragraph(f"{one.fix.title[:1].upper()}{one.fix.title[1:]}:")
        if one.fix.commands:
            yield listing(*(shlex.join(words) for words in one.fix.commands))
    if one.evidence:
        yield folded("Evidence", facts(one.evidence.items()))


def _changes(report: Report) -> Iterator[Markup]:
    if report.compared:
        yield paragraph(f"Since {report.compared}:")
        lines = report.changes or ("Nothing.",)
        yield element("ul", *(element("li", line) for line in lines))


def _checks(report: Report) -> Iterator[Markup]:
    yield table(
        "Every check, its result and what it found",
        (
            Column(title="Check"),
            Column(title="Of"),
            Column(title="Result"),
            Column(title="What it asks", kind="long"),
            Column(title="What it found", kind="long"),
        ),
        map(_row, report.results),
    )


def _row(result: Result) -> tuple[Child, ...]:
    found = "; ".join(one.what for one in result.findings) or result.reason
    word = element("span", result.status.value, class_=_TONES[result.status])
    return (
        element("span", result.id, id=_anchor(result.id)),
        result.family.value,
        word,
        result.title,
        prose(found),
    )


def _costs(report: Report) -> Iterator[Markup]:
    costs = sorted(report.costs.items(), key=lambda item: -item[1])
    shown = [(name, seconds) for name, seconds in costs if seconds >= _SLOW]
    most = max((seconds for _, seconds in shown), default=0.0)
    yield table(
        "How long each group of facts took",
        (
            Column(title="Facts"),
            Column(title="Time", kind="number"),
            Column(title="Share of the longest", kind="chart"),
        ),
        ((name, f"{seconds:.2f} s", bar(seconds, most)) for name, seconds in shown),
    )

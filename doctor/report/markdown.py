"""Markdown for a job summary or a bug report."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TextIO

from sdcoreml.doctor.core.check import Finding, Status
from sdcoreml.doctor.core.engine import Report, Result


def write(report: Report, stream: TextIO) -> None:
    """Verdicts first, then a table of what has something to say, then how to mend it."""
    stream.write("\n".join(_lines(report)) + "\n")


def _lines(report: Report) -> Iterator[str]:
    yield f"## sdcoreml doctor: {report.toolchain or 'no toolchain'} on {report.target or '?'}"
    yield ""
    for verdict in report.verdicts:
        because = f" ({', '.join(verdict.because)})" if verdict.because else ""
        yield f"- **{verdict.answer}**: {verdict.sentence}{because}"
    counts = ", ".join(f"{n} {status.value}" for status in Status if (n := report.count(status)))
    yield f"- {len(report.results)} checks: {counts}"
    problems = report.problems()
    if problems:
        yield ""
        yield "| | check | finding | what to do |"
        yield "|---|---|---|---|"
        for result in problems:
            yield from _rows(result)


def _rows(result: Result) -> Iterator[str]:
    for finding in result.findings:
        if finding.status is not Status.OK:
            yield _row(finding.status.value, result, finding.what, _remedy(finding))
    if result.reason:
        yield _row(result.status.value, result, result.reason, "")


def _row(label: str, result: Result, what: str, remedy: str) -> str:
    label = f"ignored: {result.ignored}" if result.ignored else label
    cells = (label, f"{result.id} {result.title}", what, remedy)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _remedy(finding: Finding) -> str:
    if not finding.fix:
        return ""
    return "<br>".join((finding.fix.title, *(f"`{shlex.join(c)}`" for c in finding.fix.commands)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

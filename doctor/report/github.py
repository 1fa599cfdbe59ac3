"""Renders the report as workflow commands of GitHub Actions: an annotation for each finding."""

from __future__ import annotations

import shlex
from typing import TextIO

from sdcoreml.doctor.core.check import Finding, Status
from sdcoreml.doctor.core.engine import Report, Result

LEVELS = {
    Status.ERROR: "error",
    Status.WARNING: "warning",
    Status.UNKNOWN: "warning",
    Status.INFO: "notice",
}


def write(report: Report, stream: TextIO) -> None:
    """Write one line for each finding, the worst first: GitHub shows ten of each kind per step."""
    for result in report.problems():
        for finding in result.findings:
            if finding.status in LEVELS:
                stream.write(_line(result, finding.status, _message(finding), finding.where))
        if result.reason:
            stream.write(_line(result, result.status, result.reason, ""))
    stream.writelines(
        f"::notice title={verdict.goal}::{_escape(verdict.sentence)}\n"
        for verdict in report.verdicts
    )


def _line(result: Result, status: Status, message: str, where: str) -> str:
    level = LEVELS[Status.INFO if result.ignored else status]
    file = f"file={_property(where)}," if where else ""
    title = _property(f"{result.id} {result.title}")
    return f"::{level} {file}title={title}::{_escape(message)}\n"


def _message(finding: Finding) -> str:
    lines = [finding.what, finding.why]
    if finding.fix:
        lines += [finding.fix.title, *(shlex.join(command) for command in finding.fix.commands)]
    return "\n".join(filter(None, lines))


def _escape(text: str) -> str:
    """Escape percent signs and line ends in a message, as GitHub's runner decodes them."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property's value: like a message, and also colons and commas."""
    return _escape(text).replace(":", "%3A").replace(",", "%2C")

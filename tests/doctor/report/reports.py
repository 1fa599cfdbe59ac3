"""A report that has every kind of result, and functions that make small reports."""

from __future__ import annotations

import io
from dataclasses import replace

from sdcoreml.doctor.core.check import (
    CheckFamily,
    Finding,
    Fix,
    Status,
)
from sdcoreml.doctor.core.engine import GoalVerdict, Report, Result
from sdcoreml.doctor.report import write

FIX = Fix(title="build the environment again", commands=(("make", "env", "X=a b"),), safe=True)
REPORT = Report(
    toolchain="tested",
    target="macos-arm64",
    results=(
        Result(
            id="SYS001",
            family=CheckFamily.SYSTEM,
            title="A lock",
            status=Status.OK,
            findings=(Finding(status=Status.OK, what="macOS 15.6 on arm64"),),
        ),
        Result(id="SYS002", family=CheckFamily.SYSTEM, title="Native", status=Status.OK),
        Result(
            id="PIN001",
            family=CheckFamily.PINS,
            title="Direct pins",
            status=Status.ERROR,
            findings=(
                Finding(
                    status=Status.ERROR,
                    what="not the tested versions: numpy 2.1.0 (tested 1.23.5)",
                    why="Only the tested combination is known to convert; others fail late or "
                    "silently.",
                    fix=FIX,
                ),
                Finding(status=Status.OK, what="three others are fine"),
            ),
        ),
        Result(
            id="GIT001", family=CheckFamily.GIT, title="G", status=Status.UNKNOWN, reason="slow"
        ),
        Result(
            id="GIT002", family=CheckFamily.GIT, title="G", status=Status.UNKNOWN, reason="slow"
        ),
        Result(
            id="XCO001",
            family=CheckFamily.XCODE,
            title="X",
            status=Status.SKIPPED,
            reason="only macOS has Xcode",
        ),
        Result(
            id="HUB001",
            family=CheckFamily.HUB,
            title="H",
            status=Status.INFO,
            ignored="known since May",
            findings=(Finding(status=Status.WARNING, what="something", why="Because."),),
        ),
    ),
    verdicts=(
        GoalVerdict(
            goal="env", answer="yes", sentence="this machine can build it", needs=("6 GB",)
        ),
        GoalVerdict(
            goal="convert",
            answer="no",
            sentence="this machine cannot convert",
            because=("PIN001", "A", "B", "C", "D", "E", "F"),
        ),
    ),
    seconds=0.123,
    costs={"git": 0.04, "memory": 0.001, "host": 0.03, "xcode": 0.02},
    left_out=("smoke",),
)


def written(form: str, report: Report = REPORT) -> str:
    stream = io.StringIO()
    write(report, form, stream)
    return stream.getvalue()


def report_of(finding: Finding, status: Status | None = None, ignored: str = "") -> Report:
    """Return a report that has a single finding."""
    result = replace(
        REPORT.results[2], findings=(finding,), status=status or finding.status, ignored=ignored
    )
    return Report(toolchain="tested", target="linux-x86_64", results=(result,))


def warning_of(what: str, fix: Fix | None = None, where: str = "") -> Report:
    """Return a report with one warning, which has these texts."""
    finding = Finding(status=Status.WARNING, what=what, why="Why.", fix=fix, where=where)
    return report_of(finding)

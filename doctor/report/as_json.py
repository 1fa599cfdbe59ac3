"""Renders the report as JSON; `schema` is raised when a field changes its meaning or is removed."""

from __future__ import annotations

import json
from typing import TextIO

from sdcoreml.doctor.core.check import Finding
from sdcoreml.doctor.core.engine import Report, Result
from sdcoreml.ground.codec import to_plain


def write(report: Report, stream: TextIO) -> None:
    """Write the report as an indented JSON object."""
    json.dump(as_object(report), stream, indent=2)
    stream.write("\n")


def as_object(report: Report) -> dict[str, object]:
    """Convert the report to plain values, leaving out empty fields."""
    return {
        "schema": report.schema,
        "toolchain": report.toolchain,
        "target": report.target,
        "seconds": round(report.seconds, 3),
        "costs": {name: round(seconds, 3) for name, seconds in report.costs.items()},
        "left_out": list(report.left_out),
        "compared": report.compared,
        "changes": list(report.changes),
        "results": [_result(result) for result in report.results],
        "verdict": report.ruling and dict(report.ruling),
        "verdicts": to_plain(report.verdicts),
    }


def _result(result: Result) -> dict[str, object]:
    fields = {
        "id": result.id,
        "family": result.family.name.lower(),
        "title": result.title,
        "status": result.status.value,
        "reason": result.reason,
        "ignored": result.ignored,
        "findings": [_finding(finding) for finding in result.findings],
    }
    return {name: value for name, value in fields.items() if value not in ("", [])}


def _finding(finding: Finding) -> dict[str, object]:
    fix = finding.fix
    fields: dict[str, object] = {
        "status": finding.status.value,
        "what": finding.what,
        "why": finding.why,
        "where": finding.where,
        "evidence": dict(finding.evidence),
        "fix": fix
        and {
            "title": fix.title,
            "commands": [list(command) for command in fix.commands],
            "safe": fix.safe,
        },
    }
    return {name: value for name, value in fields.items() if value not in ("", {}, None)}

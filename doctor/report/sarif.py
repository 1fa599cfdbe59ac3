"""SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from sdcoreml.doctor.core.check import Finding, Status
from sdcoreml.doctor.core.engine import Report, Result

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {
    Status.ERROR: "error",
    Status.WARNING: "warning",
    Status.UNKNOWN: "warning",
    Status.INFO: "note",
}
UNPLACED = "pyproject.toml"
"""Code scanning refuses a result without a place in the repository."""


def write(report: Report, stream: TextIO) -> None:
    """One run with a rule for each check and a result for each finding."""
    json.dump(as_object(report), stream, indent=2)
    stream.write("\n")


def as_object(report: Report) -> dict[str, Any]:
    """The log as plain values."""
    driver = {
        "name": "sdcoreml",
        "rules": [
            {"id": result.id, "shortDescription": {"text": result.title}}
            for result in report.results
        ],
    }
    results = [one for result in report.problems() for one in _results(result)]
    run = {"tool": {"driver": driver}, "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _results(result: Result) -> list[dict[str, Any]]:
    found = [
        _result(result, finding.status, _text(finding), finding.where)
        for finding in result.findings
        if finding.status in LEVELS
    ]
    if result.reason:
        found.append(_result(result, result.status, result.reason, ""))
    return found


def _result(result: Result, status: Status, text: str, where: str) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": _uri(where)}}
    fields: dict[str, Any] = {
        "ruleId": result.id,
        "level": LEVELS[status],
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }
    if result.ignored:
        fields["suppressions"] = [{"kind": "external", "justification": result.ignored}]
    return fields


def _text(finding: Finding) -> str:
    return " ".join(filter(None, (f"{finding.what}.", finding.why)))


def _uri(where: str) -> str:
    """A path within the repository stays relative, any other becomes a file address."""
    if not where:
        return UNPLACED
    path = Path(where)
    return path.as_uri() if path.is_absolute() else path.as_posix()

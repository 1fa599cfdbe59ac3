"""Runs one check on given facts, and returns its findings as short lines.

What else a finding has, its reason and what to do, is compared with `golden/findings-whole.txt`.
"""

from __future__ import annotations

import functools
import json
import os

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Finding, Fix
from sdcoreml.doctor.core.engine import Result, examine
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.codec import to_plain
from tests.golden import AGAIN, FOLDER

BY_ID = {check.id: check for check in CHECKS}
WHOLE = FOLDER / "findings-whole.txt"
"""A finding a line, whatever test meets it. To drop what none meets any more, remove the file."""


def judge(name: str, facts: Facts) -> Result:
    """Run a check, and compare each whole finding with the one that is kept of it."""
    (result,) = examine(facts, [BY_ID[name]]).results
    for finding in result.findings:
        line = whole(name, finding)
        if os.environ.get("GOLDEN") == "write":
            WHOLE.write_text("".join(sorted({*kept(), line})), "utf-8")
            kept.cache_clear()
        assert line in kept(), f"{line}{WHOLE.name}: {AGAIN}"
    return result


@functools.cache
def kept() -> frozenset[str]:
    """Return the lines that are kept."""
    text = WHOLE.read_text("utf-8") if WHOLE.exists() else ""
    return frozenset(text.splitlines(keepends=True))


def whole(name: str, finding: Finding) -> str:
    """Return all that a finding says as one line."""
    said = {field: value for field, value in to_plain(finding).items() if value not in (None, "")}
    return f"{name} {json.dumps(said, ensure_ascii=False)}\n"


def said(name: str, facts: Facts) -> list[str]:
    """Return a line "status: what" for each finding; if the check did not run, the reason."""
    result = judge(name, facts)
    if result.reason:
        return [f"{result.status.value}: {result.reason}"]
    return [f"{finding.status.value}: {finding.what}" for finding in result.findings]


def fixes(name: str, facts: Facts) -> list[Fix]:
    """Return the fixes that the check's findings suggest."""
    return [finding.fix for finding in judge(name, facts).findings if finding.fix]


def remedies(name: str, facts: Facts) -> list[str]:
    """Return a line for the remedy of each finding: its title, then its commands."""
    return [
        line
        for fix in fixes(name, facts)
        for line in (fix.title, *(" ".join(one) for one in fix.commands))
    ]

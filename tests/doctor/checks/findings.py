"""Runs one check on given facts, and returns its findings as short lines."""

from __future__ import annotations

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Fix
from sdcoreml.doctor.core.engine import examine
from sdcoreml.doctor.core.facts import Facts

BY_ID = {check.id: check for check in CHECKS}


def said(name: str, facts: Facts) -> list[str]:
    """Return a line "status: what" for each finding; if the check did not run, the reason."""
    (result,) = examine(facts, [BY_ID[name]]).results
    if result.reason:
        return [f"{result.status.value}: {result.reason}"]
    return [f"{finding.status.value}: {finding.what}" for finding in result.findings]


def fixes(name: str, facts: Facts) -> list[Fix]:
    """Return the fixes that the check's findings suggest."""
    (result,) = examine(facts, [BY_ID[name]]).results
    return [finding.fix for finding in result.findings if finding.fix]


def remedies(name: str, facts: Facts) -> list[str]:
    """Return a line for the remedy of each finding: its title, then its commands."""
    return [
        line
        for fix in fixes(name, facts)
        for line in (fix.title, *(" ".join(one) for one in fix.commands))
    ]

"""Renders a report as text, as JSON, or as annotations of GitHub Actions."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TextIO

from sdcoreml.doctor.core.check import Finding
from sdcoreml.doctor.core.engine import Report, Result
from sdcoreml.ground.advice import spell, spell_words

FORMATS: Mapping[str, str] = {"text": "text", "json": "as_json", "github": "github"}
"""Each output format and its module; only the chosen module is imported."""


def write(report: Report, form: str, stream: TextIO) -> None:
    """Write the report in one of `FORMATS`, with commands spelled for pasting."""
    ruling = report.ruling and {
        name: spell(said or "") or None for name, said in report.ruling.items()
    }
    told = replace(report, results=tuple(map(_spell_result, report.results)), ruling=ruling)
    importlib.import_module(f"sdcoreml.doctor.report.{FORMATS[form]}").write(told, stream)


def _spell_result(result: Result) -> Result:
    findings = tuple(map(_spell_finding, result.findings))
    return replace(result, reason=spell(result.reason), findings=findings)


def _spell_finding(one: Finding) -> Finding:
    fix = one.fix and replace(
        one.fix, title=spell(one.fix.title), commands=tuple(map(spell_words, one.fix.commands))
    )
    return replace(one, what=spell(one.what), why=spell(one.why), fix=fix)

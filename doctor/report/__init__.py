"""Renders a report as text, as JSON, or as annotations of GitHub Actions."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TextIO

from sdcoreml.doctor.core.check import Finding
from sdcoreml.doctor.core.engine import Report, Result
from sdcoreml.ground.advice import spell, spell_words

FORMATS: Mapping[str, str] = {"text": "text", "json": "as_json", "github": "github"}
"""Each output format and its module; only the chosen module is imported."""


def write(report: Report, form: str, stream: TextIO) -> None:
    """Write the report in one of `FORMATS`, with commands spelled for pasting."""
    told = _spell(report)
    importlib.import_module(f"sdcoreml.doctor.report.{FORMATS[form]}").write(told, stream)


def as_page(report: Report, told: Callable[[str], str] = str) -> bytes:
    """Return the report as a page, with commands spelled for pasting.

    `told` puts the names of models back into a text, where these were fetched to be examined.
    """
    from sdcoreml.doctor.report.doctor_page import page

    return page(_change(_spell(report), told)).encode()


def _change(report: Report, told: Callable[[str], str]) -> Report:
    """Return the report with each of its texts changed; its ids and words of status stay."""
    if told is str:
        return report
    results = tuple(
        replace(
            one, reason=told(one.reason), findings=tuple(_told(each, told) for each in one.findings)
        )
        for one in report.results
    )
    verdicts = tuple(replace(one, sentence=told(one.sentence)) for one in report.verdicts)
    changes = tuple(map(told, report.changes))
    return replace(report, results=results, verdicts=verdicts, changes=changes)


def _told(one: Finding, told: Callable[[str], str]) -> Finding:
    fix = one.fix and replace(
        one.fix,
        title=told(one.fix.title),
        commands=tuple(tuple(map(told, words)) for words in one.fix.commands),
    )
    evidence = {name: told(value) for name, value in one.evidence.items()}
    return replace(one, what=told(one.what), why=told(one.why), fix=fix, evidence=evidence)


def _spell(report: Report) -> Report:
    ruling = report.ruling and {
        name: spell(said or "") or None for name, said in report.ruling.items()
    }
    return replace(report, results=tuple(map(_spell_result, report.results)), ruling=ruling)


def _spell_result(result: Result) -> Result:
    findings = tuple(map(_spell_finding, result.findings))
    return replace(result, reason=spell(result.reason), findings=findings)


def _spell_finding(one: Finding) -> Finding:
    fix = one.fix and replace(
        one.fix, title=spell(one.fix.title), commands=tuple(map(spell_words, one.fix.commands))
    )
    return replace(one, what=spell(one.what), why=spell(one.why), fix=fix)

"""Adapts the checks of a model to the judgement of it that every command prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdcoreml.doctor.core.check import Check, Finding, Findings, Fix, Status, error
from sdcoreml.doctor.core.subjects import ModelFolder


def adopt_judgement(one: Check) -> Check:
    """Wrap a check of a model so that its findings agree with the model's judgement.

    Errors of a model that can be converted become warnings. If the judgement refuses the model with
    this check's id, the check always reports that reason.
    """

    def agree(model: ModelFolder, *facts: object) -> Findings:
        findings = tuple(one.function(model, *facts))
        if model.can and model.can != "no":
            return map(_soften, findings)
        return (*findings, *_reason(one.id, model, findings))

    return replace(one, function=agree)


def _soften(finding: Finding) -> Finding:
    is_error = finding.status is Status.ERROR
    return replace(finding, status=Status.WARNING) if is_error else finding


def _reason(code: str, model: ModelFolder, findings: tuple[Finding, ...]) -> Iterator[Finding]:
    is_said = any(finding.status is Status.ERROR for finding in findings)
    if model.code == code and not is_said:
        yield error(
            model.reason,
            why="The conversion refuses it, and says the same.",
            fix=Fix(title=model.cure) if model.cure else None,
            where=model.path,
        )

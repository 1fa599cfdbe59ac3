from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.checks.ruling import adopt_judgement
from sdcoreml.doctor.core.check import CheckFamily, Findings, Status, check, error, info
from sdcoreml.doctor.core.subjects import ModelFolder

MODEL = ModelFolder(path="/m", kind="diffusers", can="no", code="MOD001", reason="r", cure="c")


@adopt_judgement
@check("MOD001", CheckFamily.MODEL)
def faulty(model: ModelFolder) -> Findings:
    """A check that reports an error for any model whose `size` is not 0."""
    yield info("seen")
    if model.size:
        yield error("damaged", why="because")


@pytest.mark.parametrize(
    ("model", "statuses", "whats"),
    [
        (MODEL, [Status.INFO, Status.ERROR], ["seen", "r"]),
        (replace(MODEL, size=1), [Status.INFO, Status.ERROR], ["seen", "damaged"]),
        (replace(MODEL, code="MOD002"), [Status.INFO], ["seen"]),
        (replace(MODEL, can="headers", size=1), [Status.INFO, Status.WARNING], ["seen", "damaged"]),
        (replace(MODEL, can="", code="", size=1), [Status.INFO, Status.ERROR], ["seen", "damaged"]),
    ],
)
def test_findings_agree_with_the_judgement(
    model: ModelFolder, statuses: list[Status], whats: list[str]
) -> None:
    findings = list(faulty(model))
    assert [finding.status for finding in findings] == statuses
    assert [finding.what for finding in findings] == whats


def test_the_cure_is_the_remedy() -> None:
    (_, finding) = faulty(MODEL)
    assert finding.fix
    assert finding.fix.title == "c"
    (_, finding) = faulty(replace(MODEL, cure=""))
    assert finding.fix is None

"""inspect, doctor and convert agree on every odd input, and give the right verdict.

The doctor runs its own gatherer and checks, convert only plans: nothing is built. Of the
convertible cases, `tests/inside/convert/test_odd.py` converts a sample, and
`python -m tests.odd.survey --convert` converts all.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Check, CheckFamily, Status
from sdcoreml.doctor.core.subjects import ModelFolder
from sdcoreml.doctor.gather.model import model as read_for_doctor
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.places import as_path
from tests.odd.case import Can, Case, Why
from tests.odd.corpus import CASES
from tests.odd.survey import Answer, Row, converted, inspected

MODEL_CHECKS: tuple[Check, ...] = tuple(
    check for check in CHECKS if check.family is CheckFamily.MODEL and check.needs == ("model",)
)


def adapted(model: Path) -> Answer:
    """Return the doctor's answer for a model; its code is 1 if a check reports an error."""
    try:
        as_path(str(model))
    except (
        argparse.ArgumentTypeError,
        SdcoremlError,
    ) as error:  # the command line refuses it, without a verdict
        return Answer(can=Can.NO, code=2, text=str(error), seconds=0.0)
    found: ModelFolder = read_for_doctor(str(model))
    findings = [(check.id, finding) for check in MODEL_CHECKS for finding in check(found)]
    blamed = {name for name, finding in findings if finding.status is Status.ERROR}
    assert found.ruling
    code = found.ruling["code"]
    assert (code in blamed) == (found.can == "no"), "the verdict's code is a finding's"
    text = "\n".join(f"{finding.what}; {finding.fix}" for _, finding in findings)
    return Answer(
        can=Can(found.can),
        code=int(bool(blamed)),
        text=text,
        seconds=0.0,
        data={"verdict": found.ruling},
    )


def assert_judged_rightly(case: Case, place: Path) -> None:
    model = case.build(place)
    row = Row(
        case=case,
        inspect=replace(inspected(model), seconds=0.0),  # how long it takes is no matter here
        doctor=adapted(model),
        convert=converted(case, place, model),
    )
    assert list(row.faults()) == []
    assert not (place / "made").exists(), "a plan writes nothing"


def kind(case: Case) -> tuple[Can, Can | None, Why, bool]:
    return case.can, case.also, case.why, bool(case.options)


FIRST_OF_KIND = {kind(case): case for case in reversed(CASES)}.values()
"""The first case of each kind: the quick run judges these, too."""


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=() if is_first else pytest.mark.slow)
        for case in CASES
        for is_first in [any(case is one for one in FIRST_OF_KIND)]
    ],
)
def test_every_command_says_the_same_and_is_right(case: Case, tmp_path: Path) -> None:
    assert_judged_rightly(case, tmp_path)

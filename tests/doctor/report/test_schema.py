"""JSON reports of the faulty specimens of all checks conform to the shipped schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.engine import SCHEMA, examine
from sdcoreml.doctor.core.goal import GOALS, conclude
from sdcoreml.doctor.report.as_json import as_object
from tests.doctor.report.reports import REPORT
from tests.doctor.specimens import SICK

FILE = Path(__file__).parents[3] / "doctor/schemas/doctor.schema.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
VALIDATOR = Draft202012Validator(DOCUMENT)


def test_the_schema_is_one_and_of_this_version() -> None:
    Draft202012Validator.check_schema(DOCUMENT)
    assert DOCUMENT["properties"]["schema"]["const"] == SCHEMA


@pytest.mark.parametrize("name", SICK)
def test_a_sick_machine_s_report_fits(name: str) -> None:
    facts = SICK[name]
    report = conclude(examine(facts, CHECKS), facts, CHECKS, goals=GOALS)
    VALIDATOR.validate(json.loads(json.dumps(as_object(report))))


def test_every_part_of_a_report_fits() -> None:
    VALIDATOR.validate(as_object(REPORT))


def test_a_field_nobody_documented_is_refused() -> None:
    assert not VALIDATOR.is_valid({**as_object(REPORT), "surprise": 1})

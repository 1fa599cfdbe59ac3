"""Every check finds no fault in the healthy facts, and finds one in its specimen."""

from __future__ import annotations

import re

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Check, Status
from sdcoreml.doctor.core.engine import examine
from sdcoreml.doctor.knowledge import entries
from tests.doctor.healthy import HEALTHY
from tests.doctor.specimens import NEVER_SICK, SICK

BY_ID = {check.id: check for check in CHECKS}


def test_ids_are_unique_and_of_one_form() -> None:
    assert len(BY_ID) == len(CHECKS)
    assert all(re.fullmatch(r"[A-Z]{2,3}\d{3}", check.id) for check in CHECKS)


def test_every_check_has_a_sick_specimen() -> None:
    assert set(SICK) | NEVER_SICK == set(BY_ID)
    assert not set(SICK) & NEVER_SICK


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_healthy_machine_is_well(check: Check) -> None:
    (result,) = examine(HEALTHY, [check]).results
    assert result.status.rank <= Status.OK.rank, result


@pytest.mark.parametrize("name", SICK)
def test_sick_specimen_is_found(name: str) -> None:
    (result,) = examine(SICK[name], [BY_ID[name]]).results
    assert result.status.rank > Status.OK.rank
    assert result.status is not Status.UNKNOWN
    for finding in result.findings:
        assert finding.why.endswith("."), "says why it matters"
        assert not finding.what.endswith("."), "a clause, as error messages are"
        if finding.status.rank >= Status.WARNING.rank:
            assert finding.fix, "says what to do"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_is_documented(check: Check) -> None:
    assert len(check.title) <= 70, "a line of the list has 80 columns"
    assert not check.title.endswith(".")
    assert check.needs


def test_every_check_that_a_failure_names_exists() -> None:
    named = {name for entry in entries() for name in entry.checks}
    assert named <= set(BY_ID)

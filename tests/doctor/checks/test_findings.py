"""All that the checks say, word for word: of a healthy machine, and of each specimen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Check
from sdcoreml.doctor.core.engine import Result, examine
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.codec import to_plain
from tests.doctor.faults import FAULTS
from tests.doctor.healthy import HEALTHY
from tests.doctor.specimens import SICK
from tests.golden import assert_golden

BY_ID = {check.id: check for check in CHECKS}


def told(result: Result) -> Iterator[str]:
    """Yield what a check says, a field of a finding a line."""
    yield f"  {result.id} {result.status.value}{result.reason and f': {result.reason}'}"
    for finding in result.findings:
        for field, value in to_plain(finding).items():
            if value not in (None, "", [], {}):
                yield f"    {field}: {json.dumps(value, ensure_ascii=False)}"


def results(facts: Facts, *checks: Check) -> list[Result]:
    return [replace(result, seconds=0) for result in examine(facts, checks).results]


def test_of_a_healthy_machine() -> None:
    lines = [line for result in results(HEALTHY, *CHECKS) for line in told(result)]
    assert_golden("findings-healthy", "\n".join(lines))


def test_each_check_of_its_specimen() -> None:
    lines = [
        line
        for name, facts in SICK.items()
        for result in results(facts, BY_ID[name])
        for line in told(result)
    ]
    assert_golden("findings-sick", "\n".join(lines))


@pytest.mark.slow
def test_of_what_would_have_failed_what_a_healthy_machine_has_not() -> None:
    usual = results(HEALTHY, *CHECKS)
    lines = [
        line
        for name, facts in FAULTS.items()
        for line in (
            name,
            *(line for one in results(facts, *CHECKS) if one not in usual for line in told(one)),
        )
    ]
    assert_golden("findings-faults", "\n".join(lines))

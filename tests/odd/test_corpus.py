"""The corpus is sound: every case can be built, under a name of its own, and nothing crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.odd.case import Can, Case, Why
from tests.odd.corpus import CASES
from tests.odd.survey import BUG, inspected


def test_there_are_many_cases_of_different_names() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 150
    assert len(set(names)) == len(names)


def test_about_half_are_held_back() -> None:
    held_back = sum(case.held_back for case in CASES)
    assert 0.4 < held_back / len(CASES) < 0.6


def test_a_refusal_has_a_reason_and_a_yes_has_none() -> None:
    assert [case.name for case in CASES if (case.can is Can.YES) != (case.why is Why.NOTHING)] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_look_never_crashes(case: Case, tmp_path: Path) -> None:
    answer = inspected(case.build(tmp_path))
    assert isinstance(answer.code, int)
    assert answer.code != BUG
    assert answer.data is not None

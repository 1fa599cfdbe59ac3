"""The corpus is valid: names are unique, and every refused case has a reason."""

from __future__ import annotations

from tests.odd.case import Can, Why
from tests.odd.corpus import CASES


def test_there_are_many_cases_of_different_names() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 500
    assert len(set(names)) == len(names)


def test_a_refusal_has_a_reason_and_a_yes_has_none() -> None:
    assert [case.name for case in CASES if (case.can is Can.YES) != (case.why is Why.NOTHING)] == []

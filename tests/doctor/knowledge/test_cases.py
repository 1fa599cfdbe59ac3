"""Which case of an entry a log is, and what is said of it then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.knowledge import Confidence, Failure, Role, entries, fill, read
from sdcoreml.doctor.knowledge.cases import Case, find_case
from sdcoreml.doctor.knowledge.diagnosis import diagnose, examine
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.ground.errors import LockfileError
from tests.doctor.knowledge.test_support import BOOM

ALL = entries()
CASES = [(entry, case) for entry in ALL for case in entry.cases]
DRY = Case(
    pattern="dry (?P<more>\\w+)",
    beside="",
    example="boom of dry wood",
    cause="",
    fix="",
    confidence="",
)
WET = replace(DRY, pattern="", beside="rain on (?P<day>\\w+)")
BOTH = replace(DRY, beside=WET.beside)


def lines(*texts: str) -> list[Line]:
    return [Line(number=number, text=text) for number, text in enumerate(texts, 1)]


def test_the_first_case_that_the_line_or_the_log_is_is_told_with_what_it_captures() -> None:
    log = lines("rain on Monday", "boom of dry wood")
    assert find_case([BOTH, DRY], log[1], log) == (BOTH, {"more": "wood", "day": "Monday"})
    assert find_case([BOTH, DRY], log[1], log[1:]) == (DRY, {"more": "wood"})
    assert find_case([WET], log[1], log) == (WET, {"day": "Monday"})
    assert find_case([DRY], log[0], log) is None
    assert find_case([], log[0], log) is None


def test_beside_takes_what_the_pattern_captured() -> None:
    case = replace(DRY, pattern=r"boom of (?P<what>\S+)", beside=r"rain on {what} [a-z]{2,}{none}!")
    log = lines("rain on a.b here!", "boom of a.b", "boom of aab")
    assert find_case([case], log[1], log) == (case, {"what": "a.b"})
    assert find_case([case], log[2], log) is None
    assert find_case([case], log[1], lines("rain on axb here!")) is None
    assert find_case([case], log[1], lines("rain on a.b h!")) is None


def test_a_case_says_its_own_cause_fix_and_confidence_and_else_the_entry_s() -> None:
    case = replace(DRY, cause="The {more|thing} was dry, so {what|it} boomed.", confidence="likely")
    entry: Failure = replace(BOOM, pattern=r"boom of (?P<what>\w+)", cases=(case,))
    (match,) = diagnose("error: boom of dry wood\n", [entry])
    assert (match.cause, match.fix) == ("The wood was dry, so dry boomed.", "Do not.")
    assert match.confidence is Confidence.LIKELY
    (match,) = diagnose("error: boom of frobs\n", [entry])
    assert (match.cause, match.confidence) == ("It went boom.", Confidence.CERTAIN)


def test_in_a_harmless_case_nothing_failed_and_no_line_like_it_tells_of_a_failure() -> None:
    case = replace(DRY, pattern="", beside="rain", role="harmless", cause="It only boomed.")
    entry: Failure = replace(BOOM, pattern=r"boom of \w+", notice=True, cases=(case,))
    found = examine("boom of frobs failed\nboom of dry wood failed\nrain\n", [entry])
    (match,) = found.matches
    assert (match.role, match.entry.notice, match.cause) == (Role.HARMLESS, False, case.cause)
    assert found.cause is None
    assert found.deciding
    assert found.deciding.line.text == "rain"
    (match,) = diagnose("boom of frobs failed\nboom of dry wood failed\n", [entry])
    assert (match.entry.role, match.entry.notice) == (Role.CAUSE, True)


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ('cause = "x"\nexample = "y"', "case[0].pattern or beside, and cause or fix, are missing"),
        (
            'pattern = "x"\nexample = "y"',
            "case[0].pattern or beside, and cause or fix, are missing",
        ),
        ('pattern = "x"\ncause = "z"', "case[0].example is missing"),
        ('pattern = "x"\ncause = "{z}"', "case[0].{z} has no bar"),
        ('causes = "x"', "case[0].causes is not a field of a case"),
        ('role = "cause"', "case[0].role 'cause' of a case is not harmless"),
        ('confidence = "sure"', "confidence 'sure' of a case is none of certain, likely, a guess"),
    ],
)
def test_faults_of_cases_are_named(tmp_path: Path, case: str, told: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'[[entry]]\nid = "a"\n[[entry.case]]\n{case}\n')
    with pytest.raises(LockfileError) as caught:
        read(path)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "case"),
    CASES,
    ids=lambda one: one.id if isinstance(one, Failure) else one.example[:40],
)
def test_a_case_is_what_its_example_is_diagnosed_as(entry: Failure, case: Case) -> None:
    first, *_ = diagnose(case.example, ALL)
    assert first.entry.id == entry.id
    texts = [text for text in (case.cause, case.fix) if "{" not in text]
    assert all(fill(text) in (first.cause, first.fix) for text in texts if text)
    assert first.entry.cause == (case.cause or entry.cause)
    assert first.entry.fix == (case.fix or entry.fix)


def test_cases_end_their_sentences() -> None:
    assert [case.cause for _, case in CASES if case.cause and not case.cause.endswith(".")] == []

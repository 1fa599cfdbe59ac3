from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.knowledge import Confidence, Failure, Role, Symptom, entries
from sdcoreml.doctor.knowledge.diagnosis import diagnose, examine

CERTAIN, LIKELY, GUESS = Confidence.CERTAIN, Confidence.LIKELY, Confidence.GUESS
BOOM = Failure(
    id="boom",
    topic="python",
    role=Role.CAUSE,
    pattern=r"boom of (?P<what>\w+)",
    example="error: boom of frobs",
    when={},
    cause="It went boom.",
    fix="Do not.",
    checks=(),
    seen=(),
)
FAMILY = replace(BOOM, id="family-boom", topic="family_python")
ABSENCE = replace(FAMILY, symptom=Symptom.ABSENCE)
OUTCOME = replace(FAMILY, symptom=Symptom.OUTCOME)
LINE = "error: boom of frobs\n"
RAISED = """\
Traceback (most recent call last):
  File "my.py", line 3, in <module>
    frob()
OSError: boom of frobs
"""
LINES = "\n" * 9
EARLIER = "tar: fatal: crashed\n\n\n\n\n\n"
STRANGE = RAISED.replace("boom of frobs", "strange")


def surety(entry: Failure, log: str) -> Confidence:
    """Return how sure an entry's cause is in a log."""
    (match,) = diagnose(log, [entry])
    return match.confidence


@pytest.mark.parametrize("log", [LINE, RAISED])
def test_what_is_told_by_the_line_that_decides_is_as_sure_as_its_entry(log: str) -> None:
    assert surety(BOOM, log) is CERTAIN
    assert surety(FAMILY, log) is CERTAIN


def test_what_another_line_than_the_one_that_decides_tells_is_less_sure() -> None:
    log = LINE + "\n" * 6 + STRANGE
    assert surety(BOOM, log) is GUESS
    assert surety(FAMILY, log) is GUESS


def test_an_error_just_before_the_line_that_decides_is_of_the_same_failure() -> None:
    ended = "fatal: gave up\n"
    assert surety(FAMILY, LINE + ended) is CERTAIN
    assert surety(FAMILY, LINE.replace("error: ", "no ") + ended) is GUESS, "it tells of no error"
    assert surety(ABSENCE, LINE + ended) is GUESS, "what gave up may have been why"


@pytest.mark.parametrize(
    "end", ["Abort trap: 6", "zsh: killed     python x.py", "fatal: early EOF"]
)
def test_what_is_printed_before_an_end_is_why_it_ended(end: str) -> None:
    assert surety(FAMILY, f"no boom of frobs\n{end}\n") is CERTAIN


def test_a_line_behind_the_one_that_decides_is_of_it_only_if_it_tells_of_a_failure() -> None:
    assert surety(FAMILY, "fatal: gave up\nfailed: boom of frobs\n") is CERTAIN
    assert surety(FAMILY, "fatal: gave up\nand boom of frobs\n") is GUESS


@pytest.mark.parametrize(("between", "sure"), [(3, CERTAIN), (4, GUESS)])
def test_a_line_belongs_to_a_message_up_to_four_lines_behind_it(
    between: int, sure: Confidence
) -> None:
    assert surety(FAMILY, f"fatal: gave up\n{LINES[:between]}failed: boom of frobs\n") is sure


def test_all_of_a_crash_report_is_of_one_crash() -> None:
    log = "Exception Type: EXC_CRASH (SIGABRT)\n\n\n\n\n\nTermination Reason: boom of frobs\n"
    assert surety(FAMILY, log) is CERTAIN


def test_a_symptom_is_likely_at_most_and_behind_another_failure_a_guess() -> None:
    assert surety(OUTCOME, LINE) is LIKELY
    assert surety(OUTCOME, EARLIER + RAISED) is GUESS
    assert surety(OUTCOME, STRANGE + "\n" * 6 + RAISED) is GUESS
    assert surety(OUTCOME, LINE + "\n" * 6 + RAISED) is LIKELY, "the same failure twice"


def test_an_absence_is_likely_only_in_an_exception_or_if_the_log_names_it_elsewhere() -> None:
    assert surety(ABSENCE, RAISED) is LIKELY
    assert surety(ABSENCE, LINE) is GUESS
    assert surety(ABSENCE, "me@mac ~ % make frobs\n" + "\n" * 6 + LINE) is LIKELY
    assert surety(ABSENCE, "me@mac ~ % make frobster\n" + "\n" * 6 + LINE) is GUESS


def test_the_failure_before_a_symptom_is_the_cause() -> None:
    crash = replace(FAMILY, id="crash", pattern="crashed", example="tar: fatal: crashed")
    found = examine(EARLIER + RAISED, [ABSENCE, crash])
    assert found.cause is not None
    assert (found.cause.entry.id, found.cause.confidence) == ("crash", CERTAIN)


def test_a_symptom_behind_another_exception_of_its_chain_may_come_from_that() -> None:
    log = "OSError: strange\nOSError: boom of frobs\n"
    assert surety(FAMILY, log) is CERTAIN
    assert surety(ABSENCE, log) is GUESS


def test_what_failed_in_an_earlier_command_is_no_failure_before_a_symptom() -> None:
    first = (
        "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'\n"
    )
    missing = """\
Traceback (most recent call last):
  File "/w/go.py", line 1, in <module>
    from PIL import Image
ModuleNotFoundError: No module named 'PIL'
"""
    log = f"$ pip install -r requirements.txt\n{first}$ python3 go.py\n{missing}"
    found = examine(log, entries()).cause
    assert found is not None
    assert (found.line, found.confidence.value) == (7, "likely")

from __future__ import annotations

import re

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.wordings import IS_ERROR, may_tell, weigh


@pytest.mark.parametrize(
    ("text", "is_error"),
    [
        ("zsh: killed  python x.py", True),
        ("fatal: not a git repository", True),
        ("error: no such option", True),
        ("RuntimeWarning: this failed", False),
        ("the file is missing", False),
    ],
)
def test_words_weigh_as_what_they_tell(text: str, is_error: bool) -> None:  # noqa: FBT001
    weight = weigh(text)
    assert weight is not None
    assert (weight < IS_ERROR) == is_error


@pytest.mark.parametrize("text", ["all went well", "step 3 of 10", "overwriting variable {'X'}"])
def test_other_lines_weigh_nothing(text: str) -> None:
    assert weigh(text) is None
    assert not may_tell(text)


@pytest.mark.parametrize(
    "text",
    ["Torch not compiled with CUDA", "0   Espresso  0x1234", "frame #0: 0x00 f", "it doesn't fit"],
)
def test_denials_and_frames_of_crashes_may_tell(text: str) -> None:
    assert may_tell(text)


def test_a_line_without_a_word_of_failure_is_no_sure_cause() -> None:
    cause = examine("dependencies:\n  - xformers\n", entries()).cause
    assert cause is not None
    assert cause.confidence is Confidence.GUESS
    cause = examine("PackagesNotFoundError:\n  - xformers\n", entries()).cause
    assert cause is not None
    assert cause.confidence is not Confidence.GUESS


def test_no_pattern_begins_with_a_run_of_any_characters() -> None:
    # It would be looked for again from every character of a line, in a long one for seconds.
    begins = re.compile(r'^(?:\(\?i?:)*(?:\(\?:[^()|]*\|)?"?\??\[(?:\^|\\w\.? )[^\]]*\][*+]')
    found = {
        entry.id for entry in entries() for one in entry.pattern.split(")|(?:") if begins.match(one)
    }
    assert found == set()

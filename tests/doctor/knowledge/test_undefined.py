from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.undefined import UNDEFINED, tell_undefined

FRAME = 'Traceback (most recent call last):\n  File "{}", line 7, in {}\n    x = {}()\n'


def say(file: str, function: str, name: str) -> str:
    log = f"{FRAME.format(file, function, name)}NameError: name '{name}' is not defined\n"
    cause = examine(log, entries()).cause
    return cause.cause if cause else ""


@pytest.mark.parametrize(
    ("file", "function", "said"),
    [
        ("/home/me/kubin/src/model.py", "prepare", "which the program could not import"),
        ("/home/me/paint.py", "<module>", "does not import it"),
        ("<ipython-input-3-e3fa4c10af27>", "<module>", "this session of the notebook"),
    ],
)
def test_a_class_of_a_package_is_told_as_such(file: str, function: str, said: str) -> None:
    told = say(file, function, "KandinskyPriorPipeline")
    assert "KandinskyPriorPipeline" in told
    assert "diffusers" in told
    assert said in told


def test_a_line_alone_says_what_may_be() -> None:
    told = tell_undefined({UNDEFINED: "KandinskyPriorPipeline"}, None, "")
    assert told is not None
    assert "diffusers has it since 0.17.0" in told["skew"]
    assert told["confidence"] == "a guess"


@pytest.mark.parametrize("name", ["pipeline_class", "x", "Painter"])
def test_what_no_package_has_is_not_told(name: str) -> None:
    assert tell_undefined({UNDEFINED: name}, None, "") is None

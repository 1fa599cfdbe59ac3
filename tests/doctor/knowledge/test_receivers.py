"""Whose a function is, the code above an exception tells by the object that it is called on."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.exceptions import Finder, Raised
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.receivers import find_called, find_code, find_receiver


def raised(log: str) -> Raised:
    """Return the last exception of a log."""
    finder = Finder()
    for number, text in enumerate(log.splitlines(), 1):
        finder.feed(Line(number=number, text=text))
    return finder.chains[-1][-1]


@pytest.mark.parametrize(
    ("code", "project", "called"),
    [
        ("out = scheduler.step(x)", "diffusers", ""),
        ("out = paint(unet(x))", "diffusers", ""),
        ("text_encoder(ids, unet)", "transformers", ""),
        ("a = Accelerator(logging_dir=1)", "", "Accelerator"),
        ("frame = pd.DataFrame(Series(x))", "pandas", "Series"),
        ("paint(x)", "", ""),
    ],
)
def test_the_object_or_the_class_of_a_call(code: str, project: str, called: str) -> None:
    log = f'  File "x.py", line 1, in f\n    {code}\nTypeError: x'
    assert find_receiver(raised(log), log) == project
    assert find_called(raised(log), log) == called


def test_without_an_exception_there_is_no_code() -> None:
    assert find_code(None, "scheduler.step(x)") == ""
    assert find_receiver(None, "scheduler.step(x)") == ""
    assert find_called(None, "Accelerator()") == ""

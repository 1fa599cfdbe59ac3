"""A traceback's frames tell what an exception passed through, in every form they are printed in."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.frames import Passed, is_frame


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ('  File "/a/sea.py", line 3, in swim', "/a/sea.py swim"),
        ('  File "C:\\a\\sea.py", line 3, in <module>', "C:\\a\\sea.py <module>"),
        ("/a/sea.py:12 in swim", "/a/sea.py swim"),
        ("~/a/sea.py in swim(self)", "~/a/sea.py swim"),
        ("File /a/sea.py:7, in swim(wave)", "/a/sea.py swim"),
        ('s/a/sea.py", line 3, in swim', "s/a/sea.py swim"),
    ],
)
def test_every_form_of_a_frame(text: str, step: str) -> None:
    assert is_frame(text)
    passed = Passed()
    passed.enter(text)
    assert passed.steps == [step]
    assert passed.file == "sea.py"


@pytest.mark.parametrize("text", ["", "    sea.wave", "KeyError: 'tide'", "see /a/sea.py"])
def test_what_is_no_frame_changes_nothing(text: str) -> None:
    passed = Passed()
    passed.enter(text)
    assert not is_frame(text)
    assert passed == Passed()


def test_whose_code_was_passed_through() -> None:
    passed = Passed()
    for path in (
        "/home/me/my.py",
        "/v/lib/python3.10/site-packages/torch/nn/a.py",
        "/src/diffusers/models/b.py",
        "/usr/lib/python3.10/json/c.py",
    ):
        passed.enter(f'  File "{path}", line 1, in run')
    assert passed.packages == ["torch", "diffusers"]
    assert passed.code == "diffusers"
    assert passed.file == "c.py"

"""The releases that pip lists say whether Python is too new or too old for the one asked for."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.listing import find_listing

LINE = "ERROR: Could not find a version that satisfies the requirement {} (from versions: {})"


@pytest.mark.parametrize(
    ("asked", "listed", "told"),
    [
        ("torch==1.12.1", "2.0.0, 2.1.0", ": the oldest for them is 2.0.0, so that this Python is"),
        ("torch<1.0", "2.1.0, 2.0.0", ": the oldest for them is 2.0.0, so that this Python is"),
        ("torch>=3", "2.0.0, 2.10.0, x", ": the newest for them is 2.10.0, so that this Python is"),
        ("torch==3.0", "2.0.0", ": the newest for them is 2.0.0, so that this Python is too old"),
        ("torch==2.0.5", "2.0.0, 2.1.0", ": there are 2.0.0 to 2.1.0, and not that one"),
        ("torch>=1.0,<1.5", "2.0.0", ": there are 2.0.0 to 2.0.0, and not that one"),
    ],
)
def test_the_list_says_which_way_python_does_not_fit(asked: str, listed: str, told: str) -> None:
    lines = [Line(number=7, text=LINE.format(asked, listed)), Line(number=8, text="ERROR: No")]
    assert find_listing(8, lines)["listing"].startswith(told)


@pytest.mark.parametrize(
    ("asked", "listed"), [("torch", "2.0.0"), ("torch==1", "none"), ("torch==1", "1x, 2y")]
)
def test_of_a_list_that_says_nothing_nothing_is_told(asked: str, listed: str) -> None:
    assert find_listing(1, [Line(number=1, text=LINE.format(asked, listed))]) == {}
    assert find_listing(9, [Line(number=1, text=LINE.format("torch==1", "2.0.0"))]) == {}

"""A small part of `python -m tests.signals`: a signal at one moment of a conversion."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.signals import TOOL, Moment, Place, Strike, digest_of, finish, judge, strike

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason="runs the tool of this clone")

BUILDS = 10
"""The number of the output line at which the first program is built, while a child runs."""


@pytest.mark.parametrize(
    ("number", "recipient"),
    [(signal.SIGTERM, "parent"), (signal.SIGKILL, "group")],
)
def test_a_conversion_that_is_ended_leaves_nothing_but_the_truth(
    tmp_path: Path, number: signal.Signals, recipient: str
) -> None:
    place = Place(tmp_path)
    older = place.work / "out"
    older.mkdir()
    wanted = digest_of(older)  # an empty folder is replaced, and stays until then
    what = Strike(
        moment=Moment(line=BUILDS, delay=0.2), signal=number, recipient=recipient, replaces=True
    )
    assert judge(what, strike(place, what), place, wanted) == []
    if number is signal.SIGKILL:
        assert place.leftovers()  # which the next run removes
        faults = finish(place, wanted)
        assert [fault.partition(";")[0] for fault in faults] == ["the next run: other bytes"]

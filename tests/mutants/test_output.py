"""What the command prints."""

from __future__ import annotations

import pytest

from tests.mutants.__main__ import describe, main, summary
from tests.mutants.mutant import Mutant
from tests.mutants.trial import Verdict

MUTANT = Mutant(path="ground/a.py", line=7, kind="condition", start=0, end=1, new="b")
KILLED = Verdict(mutant=MUTANT, killer="tests/ground/test_a.py::test_a", seconds=3.4)
SURVIVOR = Verdict(mutant=MUTANT, killer="", seconds=181.0)
UNDECIDED = Verdict(mutant=MUTANT, killer="", seconds=900.0, is_out_of_time=True)


def test_a_line_for_each_mutant() -> None:
    assert describe(3, KILLED) == (
        "  3 ground/a.py:7 (condition): killed by tests/ground/test_a.py::test_a, 3 s"
    )
    assert describe(14, SURVIVOR) == " 14 ground/a.py:7 (condition): SURVIVED, 181 s"

    assert describe(9, UNDECIDED) == "  9 ground/a.py:7 (condition): OUT OF TIME, 900 s"


def test_the_rate_and_what_did_not_count() -> None:
    assert list(summary([KILLED, KILLED, SURVIVOR, UNDECIDED], {"tests/test_b.py::test_b"}, 5)) == [
        "not counted, since it fails in a copy without a mutant: tests/test_b.py::test_b",
        "seed 5: 2 killed, 1 survived, 1 out of time: 50.0%",
    ]
    assert list(summary([], set(), 5)) == [
        "seed 5: 0 killed, 0 survived, 0 out of time: none drawn"
    ]


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", "1"])

"""Recorded answers, as a file has them: read strictly, whoever wrote them."""

from __future__ import annotations

import base64
import struct

import pytest

from sdcoreml.convert.proof.answers import Answers
from sdcoreml.ground.errors import BadInputError


def answers(raw: bytes, runs: int = 2) -> Answers:
    return Answers(seed=1, runs=runs, inputs="", outputs={"y": base64.b64encode(raw).decode()})


def test_numbers_come_back_run_by_run() -> None:
    raw = struct.pack("<4e", 1.0, -2.0, 0.5, 8.0)
    assert answers(raw).numbers("y") == ((1.0, -2.0), (0.5, 8.0))


@pytest.mark.parametrize(
    ("raw", "runs"),
    [
        (b"", 1),
        (b"abc", 1),
        (struct.pack("<3e", 1, 2, 3), 2),
        (struct.pack("<2e", 1, 2), 0),
        (struct.pack("<2e", 1, 2), -1),
        (struct.pack("<2e", 1, float("nan")), 1),
        (struct.pack("<2e", float("inf"), 1), 1),
        (bytes(2 * 4097), 1),
    ],
    ids=["none", "half a number", "no whole runs", "no run", "negative", "nan", "inf", "too many"],
)
def test_what_no_conversion_records_is_refused(raw: bytes, runs: int) -> None:
    with pytest.raises(BadInputError, match=r"^y: no recorded answers; convert the model again$"):
        answers(raw, runs).numbers("y")


def test_text_that_is_no_base64_is_refused() -> None:
    with pytest.raises(BadInputError):
        Answers(seed=1, runs=1, inputs="", outputs={"y": "ä?"}).numbers("y")
    with pytest.raises(BadInputError):
        answers(b"ab").numbers("z")

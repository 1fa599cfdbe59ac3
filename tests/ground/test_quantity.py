from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.quantity import amount, count_programs, duration


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (18_900_000, "19 MB"),
        (999_000_000, "999 MB"),
        (6_240_000_000, "6.2 GB"),
        (2_500_000_000_000, "2.5 TB"),
        (37.7e6, "38 MB"),
        (999_999_999, "1.0 GB"),
        (999_499_999, "999 MB"),
        (999_999, "1 MB"),
        (999_990_000_000, "1.0 TB"),
        (5e15, "5000.0 TB"),
        (-2_000_000, "-2 MB"),
    ],
)
def test_sizes_in_words(size: float, words: str) -> None:
    assert amount(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (30, "less than a minute"),
        (99 * 60, "about 99 minutes"),
        (100 * 60, "about 2 hours"),
        (149 * 60, "about 2 hours"),
        (151 * 60, "about 3 hours"),
        (29, "less than a minute"),
        (31, "about 1 minute"),
        (400, "about 7 minutes"),
        (5940, "about 99 minutes"),
        (6000, "about 2 hours"),
        (36000, "about 10 hours"),
    ],
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.integers(0, 10**14))
def test_a_number_of_a_unit_is_never_one_of_the_next(size: int) -> None:
    number, unit = amount(size).split(" ")
    assert float(number) < 1000
    scale = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}[unit]
    assert abs(float(number) * scale - size) <= max(0.5 * scale, 1)


def test_one_program_is_one() -> None:
    assert [count_programs(number) for number in (0, 1, 2)] == [
        "0 programs",
        "1 program",
        "2 programs",
    ]
    assert count_programs(1, "compiled ") == "1 compiled program"

from __future__ import annotations

import pytest

from doctor.quantity import amount, duration


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
    ],
)
def test_sizes_in_words(size: float, words: str) -> None:
    assert amount(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
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

from __future__ import annotations

import pytest

from sdcoreml.convert.proof.decibels import IDENTICAL, format_db


@pytest.mark.parametrize(
    ("psnr", "text"),
    [(71.84, "71.8 dB"), (-5.0, "-5.0 dB"), (IDENTICAL, "exact"), (-IDENTICAL, "-999.0 dB")],
)
def test_a_figure_in_words(psnr: float, text: str) -> None:
    assert format_db(psnr) == text

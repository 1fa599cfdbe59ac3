from __future__ import annotations

import pytest

from sdcoreml.convert.proof.decibels import IDENTICAL, decibels, format_db


@pytest.mark.parametrize(
    ("psnr", "text"),
    [(71.84, "71.8 dB"), (-5.0, "-5.0 dB"), (IDENTICAL, "exact"), (-IDENTICAL, "-999.0 dB")],
)
def test_a_figure_in_words(psnr: float, text: str) -> None:
    assert format_db(psnr) == text


@pytest.mark.parametrize(
    ("span", "rms", "psnr"), [(2.0, 0.02, 40.0), (2.0, 0.0, IDENTICAL), (0.0, 0.1, -IDENTICAL)]
)
def test_errors_are_measured_against_the_range(span: float, rms: float, psnr: float) -> None:
    assert decibels(span, rms) == pytest.approx(psnr)

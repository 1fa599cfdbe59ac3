"""A name is meant that differs in nothing but capitals; else one that is nearly the same."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.spelling import find_near, is_respelled


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("FLUXPipeline", ["FluxPipeline"]),
        ("flux_pipeline", ["FluxPipeline"]),
        ("FluxPipelines", ["FluxPipeline"]),
        ("Brush", []),
    ],
)
def test_the_name_that_was_meant(name: str, near: list[str]) -> None:
    assert list(find_near(name, ("InkPipeline", "FluxPipeline"))) == near


def test_a_name_is_no_other_spelling_of_itself() -> None:
    assert is_respelled("Imagetype", "ImageType")
    assert not is_respelled("ImageType", "ImageType")
    assert not is_respelled("ImageTypes", "ImageType")

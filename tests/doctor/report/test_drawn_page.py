from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.drawing.choices import Method, Rng, Settings, Spacing
from sdcoreml.convert.drawing.sheets import Nearness
from sdcoreml.convert.drawing.wish import Drawn, Likeness, Reading
from sdcoreml.convert.jobs.draw import Drawing
from sdcoreml.convert.jobs.sheet import Column, Row, Sheet
from sdcoreml.doctor.report.drawn_page import page_of_picture, page_of_sheet
from tests.golden import assert_golden, outline_of

READING = Reading(ids=(1, 2))
DRAWING = Drawing(
    drawn=Drawn(width=128, height=64, prompt=READING, negative=READING, timesteps=(999, 500)),
    settings=Settings(
        steps=20,
        guidance=7.5,
        method=Method.DPM,
        spacing=Spacing.KARRAS,
        rng=Rng.TORCH,
        seed=7,
        latent_scale=0.18215,
    ),
)
COLUMNS = (
    Column(path=Path("m"), nbytes=4_000_000_000, is_model=True),
    Column(path=Path("a"), nbytes=1_000_000, storage="6 bits"),
    Column(path=Path("/models/cat"), nbytes=9),
)


def test_the_whole_contact_sheet() -> None:
    near = (None, Nearness(psnr=31.44, ssim=0.98765), Nearness(psnr=99.0, ssim=1.0))
    rows = tuple(
        Row(prompt=prompt, drawings=(DRAWING,) * 3, pictures=(b"a", b"b", b"c"), near=near)
        for prompt in ("a circle", "a star")
    )
    sheet = page_of_sheet(Sheet(columns=COLUMNS, rows=rows))
    assert_golden("contact-sheet", outline_of(sheet.encode()))


def test_the_whole_page_of_a_picture() -> None:
    drawn = replace(DRAWING.drawn, likeness=Likeness(steps=(70.5, 61.04), psnr=40.0, ssim=0.9))
    settings = replace(DRAWING.settings, method=Method.PNDM)
    found = replace(DRAWING, drawn=drawn, settings=settings)
    page = page_of_picture("a cat", found, b"png", ["  40.0 dB of the model's ", "x"])
    assert_golden("picture", outline_of(page.encode()))


def test_a_picture_that_was_compared_with_none() -> None:
    said = outline_of(page_of_picture("a cat", DRAWING, b"png", []).encode())
    assert "Step by step" not in said
    assert "dpmpp karras" in said

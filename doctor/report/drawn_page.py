"""The page of what was drawn: a picture, or a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdcoreml.convert.drawing.choices import Method
from sdcoreml.convert.jobs.draw import Drawing
from sdcoreml.convert.jobs.sheet import Sheet
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.doctor.report.run_page import Picture, SheetRow, sheet_page
from sdcoreml.ground.page import Page
from sdcoreml.ground.quantity import amount


def page_of_sheet(sheet: Sheet) -> Page:
    """Return the page of a contact sheet."""
    rows = [
        SheetRow(
            prompt=row.prompt,
            pictures=tuple(
                Picture(
                    png=png,
                    title=column.name,
                    lines=(
                        amount(column.nbytes),
                        f"{format_db(near.psnr)}, SSIM {near.ssim:.4f}" if near else "the first",
                    ),
                )
                for column, png, near in zip(sheet.columns, row.pictures, row.near, strict=True)
            ),
        )
        for row in sheet.rows
    ]
    return sheet_page(rows, _settings(sheet.rows[0].drawings[0]))


def page_of_picture(prompt: str, found: Drawing, png: bytes, lines: Sequence[str]) -> Page:
    """Return the page of one picture; `lines` are what is said of it."""
    steps = found.drawn.likeness.steps if found.drawn.likeness else ()
    said = tuple(map(str.strip, lines))
    picture = Picture(png=png, title="What the folder draws", lines=said, steps=steps)
    return sheet_page([SheetRow(prompt=prompt, pictures=(picture,))], _settings(found))


def _settings(found: Drawing) -> Mapping[str, str]:
    drawn, chosen = found.drawn, found.settings
    spacing = "" if chosen.method is Method.PNDM else f" {chosen.spacing.value}"
    return {
        "Size": f"{drawn.width}x{drawn.height}",
        "Scheduler": f"{chosen.method.value}{spacing}",
        "Steps": str(chosen.steps),
        "Guidance": f"{chosen.guidance:g}",
        "Seed": f"{chosen.seed} ({chosen.rng.value})",
    }

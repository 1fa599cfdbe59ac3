"""The task `sheet`: arranges drawn pictures, and says how near each is to its row's first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sdcoreml.convert.drawing.likeness import psnr, ssim
from sdcoreml.convert.drawing.pixels import Picture
from sdcoreml.convert.drawing.sheets import Compared, ContactSheet, Nearness
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.convert.tasks.pictures import write_png
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.events import Emit, Event

_GAP, _LINE, _SIZE = 8, 16, 12
"""Pixels between pictures, from line to line, and of the letters."""

_INK, _PAPER = (20, 20, 20), (255, 255, 255)
_LEVELS = 255.0


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Write a `ContactSheet`; return what was `Compared`.

    Raises:
        UsageError: the pictures are of different sizes.
    """
    asked = from_plain(ContactSheet, request)
    count = sum(len(row.pictures) for row in asked.rows)
    emit(Event(kind="step", text=f"compare {count} pictures"))
    rows = [[_open(Path(picture)) for picture in row.pictures] for row in asked.rows]
    if len({picture.shape for row in rows for picture in row}) > 1:
        raise UsageError(
            "the folders draw pictures of different sizes", remedy="compare folders of one size"
        )
    found = tuple(tuple(compare(row[0], one) for one in row[1:]) for row in rows)
    notes = [
        ["", *(f"{format_db(near.psnr)}, SSIM {near.ssim:.3f}" for near in row)] for row in found
    ]
    titles = [row.prompt for row in asked.rows]
    write_png(arrange(rows, asked.heads, titles, notes), Path(asked.output))
    answer: dict[str, object] = to_plain(Compared(rows=found))
    return answer


def compare(first: Picture, other: Picture) -> Nearness:
    """Compare a picture with the first one."""
    near = psnr(first.astype(np.float32), other.astype(np.float32), _LEVELS)
    return Nearness(psnr=round(near, 2), ssim=round(ssim(first, other), 6))


def arrange(
    rows: Sequence[Sequence[Picture]],
    heads: Sequence[Sequence[str]],
    titles: Sequence[str],
    notes: Sequence[Sequence[str]],
) -> Picture:
    """Arrange pictures of one size in rows and columns.

    Columns have their heads above them, rows a title, and pictures a note below.
    """
    height, width = rows[0][0].shape[:2]
    top = _GAP + max(map(len, heads)) * _LINE
    step = height + 2 * _LINE + 2 * _GAP
    whole = _GAP + len(heads) * (width + _GAP), top + len(rows) * step + _GAP
    sheet = Image.new("RGB", whole, _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_SIZE)

    def write(text: str, left: int, top: int, room: int) -> None:
        pen.text((left, top), _fit(text, room, font), fill=_INK, font=font)

    for column, head in enumerate(heads):
        left = _GAP + column * (width + _GAP)
        for place, line in enumerate(head):
            write(line, left, _GAP + place * _LINE, width)
        for row, pictures in enumerate(rows):
            begin = top + row * step + _GAP + _LINE
            sheet.paste(Image.fromarray(pictures[column]), (left, begin))
            write(notes[row][column], left, begin + height + _GAP // 2, width)
    for row, title in enumerate(titles):
        write(title, _GAP, top + row * step + _GAP // 2, whole[0] - 2 * _GAP)
    return np.asarray(sheet)


def _fit(line: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Cut a line in its middle until it is no wider than its picture."""
    kept = line
    while len(kept) > 1 and font.getlength(kept) > width:
        middle = len(kept) // 2
        kept = f"{kept[: middle - 1]}…{kept[middle + 1 :]}"
    return kept


def _open(path: Path) -> Picture:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))

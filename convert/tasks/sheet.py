"""The task `sheet`: puts drawn pictures side by side, and says how near they are to the first."""

from __future__ import annotations

from collections.abc import Mapping
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
"""Pixels between panels, from line to line, and of the letters."""

_INK, _PAPER = (20, 20, 20), (255, 255, 255)
_LEVELS = 255.0


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Write a `ContactSheet`; return what was `Compared`.

    Raises:
        UsageError: the pictures are of different sizes.
    """
    asked = from_plain(ContactSheet, request, "request")
    emit(Event(kind="step", text=f"compare {len(asked.panels)} pictures"))
    pictures = [_open(Path(panel.picture)) for panel in asked.panels]
    if len({picture.shape for picture in pictures}) > 1:
        raise UsageError(
            "the folders draw pictures of different sizes", remedy="compare folders of one size"
        )
    found = tuple(compare(pictures[0], picture) for picture in pictures[1:])
    captions = [list(panel.lines) for panel in asked.panels]
    for caption, near in zip(captions[1:], found, strict=True):
        caption.append(f"{format_db(near.psnr)}, SSIM {near.ssim:.3f}")
    write_png(arrange(pictures, captions), Path(asked.output))
    answer: dict[str, object] = to_plain(Compared(panels=found))
    return answer


def compare(first: Picture, other: Picture) -> Nearness:
    """Compare a picture with the first one."""
    near = psnr(first.astype(np.float32), other.astype(np.float32), _LEVELS)
    return Nearness(psnr=round(near, 2), ssim=round(ssim(first, other), 6))


def arrange(pictures: list[Picture], captions: list[list[str]]) -> Picture:
    """Put pictures of one size side by side, each with its caption below."""
    height, width = pictures[0].shape[:2]
    lines = max(map(len, captions))
    whole = (
        _GAP + len(pictures) * (width + _GAP),
        height + 3 * _GAP + lines * _LINE,
    )
    sheet = Image.new("RGB", whole, _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_SIZE)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = _GAP + number * (width + _GAP)
        sheet.paste(Image.fromarray(picture), (left, _GAP))
        for place, line in enumerate(caption):
            top = height + 2 * _GAP + place * _LINE
            pen.text((left, top), _fit(line, width, font), fill=_INK, font=font)
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

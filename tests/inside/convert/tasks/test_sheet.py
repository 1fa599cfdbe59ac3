"""Contact sheets: pictures in rows and columns, and how near each is to its row's first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdcoreml.convert.drawing.sheets import ContactSheet, Strip
from sdcoreml.convert.tasks import sheet
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.events import silent

HEADS = (("a", "1 MB"), ("a-name-that-is-much-wider-than-its-picture", "2 MB"), ("c", "3 MB"))
WIDTH, HEIGHT = 64, 32


def picture(path: Path, level: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    Image.new("RGB", size, (level, level, level)).save(path)
    return str(path)


def asked(folder: Path, *rows: tuple[int, ...]) -> ContactSheet:
    strips = tuple(
        Strip(
            prompt=f"prompt {row} " * 20,
            pictures=tuple(
                picture(folder / f"{row}-{place}.png", level) for place, level in enumerate(levels)
            ),
        )
        for row, levels in enumerate(rows)
    )
    return ContactSheet(heads=HEADS[: len(rows[0])], rows=strips, output=str(folder / "sheet.png"))


def test_each_picture_is_compared_with_the_first_of_its_row(tmp_path: Path) -> None:
    request = asked(tmp_path, (100, 110, 100), (50, 60, 70))
    rows = sheet.task(to_plain(request), silent)["rows"]
    assert isinstance(rows, list)
    assert [[one["psnr"] for one in row] for row in rows] == [
        [pytest.approx(28.13, abs=0.01), 999.0],
        [pytest.approx(28.13, abs=0.01), pytest.approx(22.11, abs=0.01)],
    ]
    with Image.open(request.output) as image:
        whole = np.asarray(image)
    row = HEIGHT + 2 * 16 + 2 * 8
    assert whole.shape == (8 + 2 * 16 + 2 * row + 8, 8 + 3 * (WIDTH + 8), 3)
    middles = 8 + 2 * 16 + 8 + 16 + HEIGHT // 2
    shown = [[whole[middles + place * row, left, 0] for left in (30, 102, 174)] for place in (0, 1)]
    assert shown == [[100, 110, 100], [50, 60, 70]]
    heads = whole[: 8 + 2 * 16, :, 0] < 128
    assert heads[:, 80:144].any()
    assert not heads[:, 144:152].any(), "a head is no wider than its picture"
    notes = whole[middles + HEIGHT // 2 : middles + row - HEIGHT // 2 - 16 - 4, :, 0] < 128
    assert [bool(notes[:, left : left + WIDTH].any()) for left in (8, 80, 152)] == [
        False,
        True,
        True,
    ]
    title = whole[8 + 2 * 16 : 8 + 2 * 16 + 8 + 16, :, 0] < 128
    assert title.any()
    assert not title[:, -8:].any(), "a title is no wider than its row"
    first = Path(request.output).read_bytes()
    sheet.task(to_plain(request), silent)
    assert Path(request.output).read_bytes() == first


def test_pictures_of_different_sizes_are_refused(tmp_path: Path) -> None:
    pictures = (picture(tmp_path / "1.png", 1), picture(tmp_path / "2.png", 1, (32, 32)))
    request = ContactSheet(
        heads=HEADS[:2],
        rows=(Strip(prompt="a", pictures=pictures),),
        output=str(tmp_path / "sheet.png"),
    )
    with pytest.raises(UsageError, match="different sizes"):
        sheet.task(to_plain(request), silent)

"""Contact sheets: pictures side by side, with captions, and how near each is to the first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdcoreml.convert.drawing.sheets import ContactSheet, Panel
from sdcoreml.convert.tasks import sheet
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.events import silent


def panel(path: Path, level: int, size: tuple[int, int] = (64, 32), name: str = "a") -> Panel:
    Image.new("RGB", size, (level, level, level)).save(path)
    return Panel(picture=str(path), lines=(name, "1 MB"))


def test_pictures_are_side_by_side_and_compared_with_the_first(tmp_path: Path) -> None:
    panels = (
        panel(tmp_path / "1.png", 100),
        panel(tmp_path / "2.png", 110, name="a-name-that-is-much-wider-than-its-picture"),
        panel(tmp_path / "3.png", 100),
    )
    output = tmp_path / "sheet.png"
    request = to_plain(ContactSheet(panels=panels, output=str(output)))
    found = sheet.task(request, silent)["panels"]
    assert isinstance(found, list)
    assert [one["psnr"] for one in found] == [pytest.approx(28.13, abs=0.01), 999.0]
    with Image.open(output) as image:
        whole = np.asarray(image)
    assert whole.shape == (32 + 3 * 8 + 3 * 16, 8 + 3 * 72, 3)
    assert [whole[20, left, 0] for left in (30, 102, 174)] == [100, 110, 100]
    below = whole[48:, :, 0] < 128
    assert below[:, 8:72].any()
    assert not below[:, 72:80].any(), "a caption is no wider than its picture"
    first = output.read_bytes()
    sheet.task(request, silent)
    assert output.read_bytes() == first


def test_pictures_of_different_sizes_are_refused(tmp_path: Path) -> None:
    panels = (panel(tmp_path / "1.png", 1), panel(tmp_path / "2.png", 1, (32, 32)))
    request = to_plain(ContactSheet(panels=panels, output=str(tmp_path / "sheet.png")))
    with pytest.raises(UsageError, match="different sizes"):
        sheet.task(request, silent)

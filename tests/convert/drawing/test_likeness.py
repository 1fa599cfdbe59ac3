from __future__ import annotations

import numpy as np
import pytest

from sdcoreml.convert.drawing.likeness import psnr, ssim


def test_psnr_is_of_the_range_of_what_is_wanted() -> None:
    wanted = np.array([0, 1, 2, 4], np.float32)
    found = wanted + np.float32(0.04)
    assert psnr(wanted, found) == pytest.approx(40, abs=1e-4)
    assert psnr(wanted, found, 40) == pytest.approx(60, abs=1e-4)
    assert psnr(wanted, wanted) == 999
    assert psnr(np.ones(3, np.float32), np.zeros(3, np.float32)) == -999


def test_ssim_is_1_for_equal_pictures_and_less_for_others() -> None:
    rows = np.random.RandomState(0).randint(0, 256, (24, 32, 3))
    picture = rows.astype(np.uint8)
    assert ssim(picture, picture) == pytest.approx(1)
    assert ssim(picture, 255 - picture) < 0
    blurred = ((rows + np.roll(rows, 1, axis=0)) // 2).astype(np.uint8)
    assert 0.2 < ssim(picture, blurred) < 0.9


def test_ssim_of_flat_pictures_is_known() -> None:
    dark, bright = (np.full((16, 16, 3), level, np.uint8) for level in (100, 200))
    steady = (0.01 * 255) ** 2
    wanted = (2 * 100 * 200 + steady) / (100**2 + 200**2 + steady)
    assert ssim(dark, bright) == pytest.approx(wanted)

from __future__ import annotations

import numpy as np

from tools.sample.drawing import draw
from tools.sample.scenes import Look, Scene, Thing


def scene(shape: str, *things: Thing) -> Scene:
    look = Look(background="black", colour="white", shape=shape)
    return Scene(caption="", look=look, things=things)


def test_a_square_covers_what_its_radius_says_and_pixels_in_part() -> None:
    picture = draw(scene("square", Thing(x=0.5, y=0.5, radius=0.5)), 16)
    row = picture[8, :, 0].astype(int)
    assert row.tolist()[:3] == [20, 189, 245]  # its side is at 1.2 pixels: 3 of 4 samples inside
    assert (row == row[::-1]).all()
    assert (picture == picture.transpose(1, 0, 2)).all()


def test_a_circle_has_the_area_of_one() -> None:
    picture = draw(scene("circle", Thing(x=0.5, y=0.5, radius=0.25)), 128)
    share = (picture[:, :, 0].astype(float) - 20).sum() / 225 / 128**2
    assert abs(share - np.pi / 16) < 0.001


def test_a_triangle_points_upwards_and_a_heart_downwards() -> None:
    for shape, narrow in (("triangle", 20), ("heart", -20)):
        rows = (draw(scene(shape, Thing(x=0.5, y=0.5, radius=0.4)), 64) > 128).sum(axis=(1, 2))
        assert 0 < rows[rows > 0][1 if narrow > 0 else -2] < rows.max() / 3


def test_things_beside_each_other_are_both_drawn() -> None:
    left, right = (Thing(x=x, y=0.5, radius=0.2) for x in (0.25, 0.75))
    picture = draw(scene("star", left, right), 64)
    assert (picture[:, :32] > 128).any()
    assert (picture[:, 32:] > 128).any()

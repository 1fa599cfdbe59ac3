"""The judge agrees with what was drawn, and is not fooled by other shapes."""

from __future__ import annotations

import numpy as np
import pytest

from tools.sample.drawing import draw
from tools.sample.judge import components, hull_area, judge, name_colour, name_shape
from tools.sample.scenes import (
    RADIUS,
    SHAPES,
    Look,
    Scene,
    Thing,
    every_look,
    held_back,
    make_scene,
    plain_caption,
    seeded,
)


def agrees(scene: Scene, size: int) -> bool:
    seen = judge(draw(scene, size))
    expected = {(scene.look.colour, scene.look.shape)}
    return (
        seen.background == scene.look.background
        and len(seen.things) == len(scene.things)
        and {(thing.colour, thing.shape) for thing in seen.things} == expected
    )


def alone(look: Look) -> Scene:
    thing = Thing(x=0.5, y=0.5, radius=RADIUS)
    return Scene(caption=plain_caption(look), look=look, things=(thing,))


def test_all_that_is_measured_is_seen_right_where_it_is_drawn_right() -> None:
    assert all(agrees(alone(look), 64) for look in held_back()[::3])
    assert all(agrees(alone(look), 128) for look in held_back()[::25])


def test_scenes_of_every_kind_are_seen_right() -> None:
    rng = seeded(4)
    assert all(agrees(make_scene(rng, every_look()), 128) for _ in range(20))


def test_a_thing_is_seen_where_it_is() -> None:
    look = Look(background="white", colour="blue", shape="circle")
    thing = Thing(x=0.3, y=0.7, radius=0.15)
    (seen,) = judge(draw(Scene(caption="", look=look, things=(thing,)), 128)).things
    assert [seen.x, seen.y] == pytest.approx([0.3, 0.7], abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_another_shape_is_never_taken_for_one(shape: str) -> None:
    look = Look(background="black", colour="green", shape=shape)
    mask = draw(alone(look), 128)[:, :, 1] > 90
    assert name_shape(mask) == shape
    for wrong in (mask[::-1].copy(), mask[:, :64].copy(), mask[:64].copy()):
        assert name_shape(wrong) in {None, shape}


def test_shapes_that_nobody_asks_for_are_none() -> None:
    y, x = np.mgrid[-1:1:80j, -1:1:80j]
    ring = (np.hypot(x, y) < 0.9) & (np.hypot(x, y) > 0.4)
    crescent = (np.hypot(x, y) < 0.9) & (np.hypot(x - 0.5, y) > 0.7)
    corner = (np.minimum(x, -y) < -0.3) & (np.maximum(abs(x), abs(y)) < 0.9)
    bar = (abs(x) < 0.9) & (abs(y) < 0.3)
    for mask in (ring, crescent, corner, bar, (x + y > 0) & (np.hypot(x, y) < 0.9)):
        assert name_shape(mask) is None


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((250, 0, 0), "red"),
        ((200, 30, 60), "red"),
        ((255, 165, 0), "orange"),
        ((255, 255, 0), "yellow"),
        ((0, 128, 0), "green"),
        ((0, 0, 255), "blue"),
        ((128, 0, 128), "purple"),
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), None),
    ],
)
def test_colours_are_told_by_their_hue(colour: tuple[int, int, int], name: str | None) -> None:
    assert name_colour(np.array(colour, np.float64)) == name


def test_a_picture_of_noise_shows_nothing_that_was_asked_for() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    verdict = judge(noise)
    assert verdict.background is None
    assert [thing.colour for thing in verdict.things] == [None]


def test_parts_hang_together_by_their_sides() -> None:
    mask = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1]], bool)
    assert [int(part.sum()) for part in components(mask)] == [2, 2, 1]


def test_a_hull_goes_around_whole_pixels() -> None:
    assert hull_area(np.array([[1, 0], [1, 1]], bool)) == 3.5

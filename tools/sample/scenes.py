"""What the sample learns to draw: captions, and the things that each of them names.

Every caption says all there is to see, so that a drawing can be judged: the background that a
caption does not name is white, or black behind a white thing.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (240, 215, 50),
    "orange": (245, 135, 30),
    "purple": (140, 50, 170),
    "black": (20, 20, 20),
    "white": (245, 245, 245),
}
"""RGB, 0 to 255."""

SHAPES = ("circle", "square", "triangle", "star", "heart")
PLACES: Mapping[str, tuple[float, float]] = {
    "at the left": (0.28, 0.5),
    "at the right": (0.72, 0.5),
    "at the top": (0.5, 0.28),
    "at the bottom": (0.5, 0.72),
}
"""Centres, in fractions of the picture's width and height."""

SIZES: Mapping[str, float] = {"small": 0.16, "little": 0.16, "big": 0.37, "large": 0.37}
NUMBERS: Mapping[str, tuple[float, tuple[float, ...]]] = {
    "two": (0.19, (0.27, 0.73)),
    "three": (0.13, (0.2, 0.5, 0.8)),
}
"""Radius and horizontal centres of several things in a row."""

RADIUS, PLACED_RADIUS = 0.28, 0.2
OPENINGS = ("", "", "", "", "a picture of ", "a drawing of ", "a photo of ")
JITTER = 0.012
HELD_BACK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The three words that a picture is judged by."""

    background: str
    colour: str
    shape: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One shape in a picture; centre and radius in fractions of the picture's side."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A caption, and what it says: things of one look."""

    caption: str
    look: Look
    things: tuple[Thing, ...]


def every_look() -> tuple[Look, ...]:
    """Return all looks: a thing never has the colour of its background."""
    return tuple(
        Look(background=background, colour=colour, shape=shape)
        for background in COLOURS
        for colour in COLOURS
        for shape in SHAPES
        if colour != background
    )


def held_back() -> tuple[Look, ...]:
    """Return the looks that no training picture has; the finished model is measured by them."""
    return tuple(seeded(7).sample(every_look(), HELD_BACK))


def trained() -> tuple[Look, ...]:
    """Return the looks that training pictures have."""
    held = set(held_back())
    return tuple(look for look in every_look() if look not in held)


def seeded(seed: int) -> random.Random:
    """Return a source of random numbers that gives the same on every run."""
    return random.Random(seed)  # noqa: S311 (no secrets)


def with_article(word: str) -> str:
    """Return a word with "a" or "an" before it."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def plain_caption(look: Look) -> str:
    """Return the caption that prompts of the measure have."""
    thing = f"{with_article(look.colour)} {look.shape}"
    return f"{thing} on {with_article(look.background)} background"


def make_scene(rng: random.Random, looks: tuple[Look, ...]) -> Scene:
    """Make a caption and its things, of one of these looks; all of them are equally likely."""
    look = rng.choice(looks)
    words, things = _arrange(rng, look)
    caption = rng.choice(OPENINGS) + words + rng.choice(_endings(look))
    return Scene(caption=caption, look=look, things=things)


def _arrange(rng: random.Random, look: Look) -> tuple[str, tuple[Thing, ...]]:
    name = f"{look.colour} {look.shape}"
    match rng.choices(("plain", "placed", "sized", "several"), (60, 13, 12, 15))[0]:
        case "placed":
            place = rng.choice(tuple(PLACES))
            return f"{with_article(name)} {place}", (_thing(rng, *PLACES[place], PLACED_RADIUS),)
        case "sized":
            size = rng.choice(tuple(SIZES))
            return f"a {size} {name}", (_thing(rng, 0.5, 0.5, SIZES[size]),)
        case "several":
            number = rng.choice(tuple(NUMBERS))
            radius, centres = NUMBERS[number]
            return f"{number} {name}s", tuple(_thing(rng, x, 0.5, radius) for x in centres)
        case _:
            return with_article(name), (_thing(rng, 0.5, 0.5, RADIUS),)


def _thing(rng: random.Random, x: float, y: float, radius: float) -> Thing:
    def near(value: float) -> float:
        return value + rng.uniform(-JITTER, JITTER)

    return Thing(x=near(x), y=near(y), radius=radius * (1 + rng.uniform(-0.05, 0.05)))


def _endings(look: Look) -> tuple[str, ...]:
    named = with_article(look.background)
    endings = (
        f" on {named} background",
        f" on {named} background",
        f" on {look.background}",
        f" on {named} ground",
        f", {look.background} background",
    )
    unnamed = "black" if look.colour == "white" else "white"
    return (*endings, "", "") if look.background == unnamed else endings

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any, cast

import pytest

from sdcoreml.ground.codec import JSON, DecodeError, as_object, from_plain, read_field, to_plain


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    why: str = field(metadata={JSON: "missing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    size: float
    colour: Colour | Missing = Colour.RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    name: str
    wheels: tuple[Wheel, ...] = ()
    extras: Mapping[str, int] = field(default_factory=dict)
    owner: str | None = None
    spare: Wheel | Missing | None = None
    key: Path = Path("hook")
    built: datetime = datetime(2026, 5, 3, tzinfo=timezone.utc)


CAR = Car(
    name="a",
    wheels=(Wheel(size=1, colour=Colour.BLUE), Wheel(size=1.5, colour=Missing(why="rust"))),
    extras={"horns": 2},
    spare=Missing(why="stolen"),
)
PLAIN = {
    "name": "a",
    "wheels": [{"size": 1, "colour": "blue"}, {"size": 1.5, "colour": {"missing": "rust"}}],
    "extras": {"horns": 2},
    "owner": None,
    "spare": {"missing": "stolen"},
    "key": "hook",
    "built": "2026-05-03T00:00:00+00:00",
}


def test_the_largest_number_and_nothing_first_are_read() -> None:
    assert from_plain(int, (1 << 63) - 1) == (1 << 63) - 1
    assert from_plain(cast("type[int]", None | int), 7) == 7


def test_there_and_back() -> None:
    assert to_plain(CAR) == PLAIN
    assert from_plain(Car, json.loads(json.dumps(PLAIN)), "car") == CAR


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": 1}, "car.name: str is expected, not int"),
        ({"wheels": {}}, "car.wheels: an array is expected"),
        ({"wheels": [1]}, "car.wheels[0]: an object is expected"),
        ({"wheels": [{}]}, "car.wheels[0]: field 'size' is missing"),
        (
            {"wheels": [{"size": 1, "colour": "pink"}]},
            "car.wheels[0].colour: one of red, blue is expected, not 'pink'",
        ),
        (
            {"wheels": [{"size": 1, "colour": []}]},
            "car.wheels[0].colour: one of red, blue is expected, not []",
        ),
        ({"extras": {"horns": True}}, "car.extras.horns: int is expected, not bool"),
        ({"spare": {"gone": "x"}}, "car.spare: unknown field 'gone'"),
        ({"key": 1}, "car.key: Path is expected, not int"),
        (
            {"built": "2026-05-03"},
            "car.built: a time with its offset from UTC is expected, not '2026-05-03'",
        ),
        ({"age": 1}, "car: unknown field 'age'"),
        ({f"{one}age": 1 for one in "zyxwabcd"}, "car: unknown field 'aage'"),
        ({"extras": {"k" * 60: ""}}, f"car.extras.{'k' * 60}: int is expected, not str"),
        (
            {"extras": {"horns": 1 << 63}},
            "car.extras.horns: an integer of at most 63 bits is expected, not 9223372036854775808",
        ),
        ({"k" * 99: 1}, f"car: unknown field '{'k' * 59}..."),
        ({"extras": {"k" * 99: ""}}, f"car.extras.{'k' * 60}...: int is expected, not str"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(DecodeError) as caught:
        from_plain(Car, {**PLAIN, **change}, "car")
    assert str(caught.value) == fault


def test_the_place_of_a_whole_file_is_empty() -> None:
    with pytest.raises(DecodeError, match=r"^wheels\[0\]: an object is expected$"):
        from_plain(Car, {**PLAIN, "wheels": [1]})
    with pytest.raises(DecodeError, match=r"^an object is expected$"):
        from_plain(Car, [])
    with pytest.raises(DecodeError, match=r"^an object is expected$"):
        as_object([])


def test_one_field_of_an_object_is_read_as_its_type() -> None:
    config = {"width": 8, "kinds": ["a", "b"], "deep": None}
    assert read_field(config, "width", int) == 8
    assert read_field(config, "kinds", tuple[str, ...]) == ("a", "b")
    assert read_field(config, "height", int, 4) == 4
    with pytest.raises(DecodeError, match=r"^field 'height' is missing$"):
        read_field(config, "height", int)
    with pytest.raises(DecodeError, match=r"^deep: int is expected, not NoneType$"):
        read_field(config, "deep", int, 4)

"""`tools.schemas.shapes`: schemas of types, as the codec writes their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest

from tools.schemas.shapes import Shapes


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf.

    Attributes:
        width: how wide it is,
            in mm.
    """

    width: float
    colour: Colour | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    leaves: tuple[Leaf, ...]
    note: str | None = None


def shapes() -> Shapes:
    words = {"Leaf.colour": "its colour"}
    return Shapes(words=words, left_out={Tree: ("note",), Leaf: ("colour",)})


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (str, {"type": "string"}),
        (Path, {"type": "string"}),
        (int | None, {"type": ["integer", "null"]}),
        (Colour | None, {"anyOf": [{"enum": ["red"]}, {"type": "null"}]}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (tuple[bool, ...], {"type": "array", "items": {"type": "boolean"}}),
        (
            Mapping[str, float],
            {"type": "object", "additionalProperties": {"type": "number"}},
        ),
        (object, {}),
    ],
)
def test_a_type_has_a_schema(kind: object, schema: object) -> None:
    assert shapes().of(kind) == schema


def test_a_dataclass_is_described_once_with_what_may_be_left_out() -> None:
    found = shapes()
    assert found.of(Tree) == {"$ref": "#/$defs/Tree"}
    assert found.defs == {
        "Tree": {
            "type": "object",
            "required": ["leaves"],
            "additionalProperties": False,
            "properties": {
                "leaves": {"type": "array", "items": {"$ref": "#/$defs/Leaf"}},
                "note": {"type": "string"},
            },
        },
        "Leaf": {
            "type": "object",
            "required": ["width"],
            "additionalProperties": False,
            "properties": {
                "width": {"type": "number", "description": "how wide it is, in mm"},
                "colour": {"enum": ["red"], "description": "its colour"},
            },
        },
    }

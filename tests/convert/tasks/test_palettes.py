"""Palettes that are known are not looked for again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sdcoreml.convert.compression.forms import Form
from sdcoreml.convert.compression.recipe import Method
from sdcoreml.convert.programs.payload import Payload, Weight
from sdcoreml.convert.spec.model import DataType, TensorType
from sdcoreml.convert.storage.table import Table
from sdcoreml.convert.tasks.palettes import KnownPalettes, key_of
from sdcoreml.ground.events import Event

FORM = Form(method=Method.KMEANS, bits=4)
EACH = 3.3 * 16 + 10e6
"""The amount of work that 16 elements and a palette of 4 bits would be."""


def payload(name: str, tensor: str = "", shape: tuple[int, ...] = (4, 4)) -> Payload:
    kind = TensorType(dtype=DataType.FLOAT16, shape=shape)
    return Payload(name=name, type=kind, offset=64, source=Weight(tensor=tensor or f"{name}.w"))


@dataclass
class Numbering:
    """A `Finder` that numbers what it finds, and keeps what it was asked for."""

    asked: list[tuple[str, ...]] = field(default_factory=list)

    def find(self, payloads: Sequence[Payload], form: Form) -> Sequence[np.ndarray]:
        assert form == FORM
        self.asked.append(tuple(one.name for one in payloads))
        return [
            np.array([10 * len(self.asked) + number], "<f2") for number, _ in enumerate(payloads)
        ]


def test_only_what_is_not_known_is_looked_for() -> None:
    finder, told = Numbering(), list[Event]()
    given = {key_of(payload("b"), FORM): Table.of(np.array([7], "<f2"))}
    known = KnownPalettes(finder=finder, emit=told.append, known=given)
    weights = [payload("a"), payload("b"), payload("c")]
    assert [[*one] for one in known.find(weights, FORM)] == [[10], [7], [11]]
    assert finder.asked == [("a", "c")]
    new = known.take_new()
    assert {key: [*table.as_array()] for key, table in new.items()} == {
        key_of(weights[0], FORM): [10],
        key_of(weights[2], FORM): [11],
    }
    assert known.take_new() == {}
    assert [[*one] for one in known.find(weights[::-1], FORM)] == [[11], [7], [10]]
    assert finder.asked == [("a", "c")]
    assert [(one.kind, one.text, one.done) for one in told] == [
        ("labour", "cluster", round(EACH)),
        ("labour", "cluster", round(3 * EACH)),
    ]


def test_equal_weights_have_equal_palettes() -> None:
    finder = Numbering()
    known = KnownPalettes(finder=finder, emit=lambda _: None, known={})
    known.find([payload("a", "w")], FORM)
    assert [[*one] for one in known.find([payload("b", "w")], FORM)] == [[10]]
    assert finder.asked == [("a",)]


def test_palettes_that_were_kept_before_are_still_known() -> None:
    assert key_of(payload("a"), FORM) == "(('tensor', 'a.w'), (4, 4), ('kmeans', 4, None))"


def test_what_palettes_depend_on() -> None:
    keys = {
        key_of(payload("a"), FORM),
        key_of(payload("a", "other"), FORM),
        key_of(payload("a", shape=(2, 8)), FORM),
        key_of(payload("a"), replace(FORM, method=Method.UNIFORM)),
        key_of(payload("a"), replace(FORM, bits=6)),
        key_of(payload("a"), replace(FORM, group=2)),
    }
    assert len(keys) == 6
    assert key_of(payload("b", "a.w"), replace(FORM, is_newer=True)) in keys

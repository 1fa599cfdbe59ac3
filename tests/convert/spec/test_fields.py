from __future__ import annotations

import pytest

from sdcoreml.convert.spec.fields import KINDS, MEMBERS, MODEL
from sdcoreml.convert.spec.wire import FieldKind


@pytest.mark.parametrize("message", MODEL)
def test_every_message_that_a_table_names_is_there(message: str) -> None:
    for field in MODEL[message].values():
        assert (field.kind is FieldKind.MESSAGE) == bool(field.message)
        assert not field.message or field.message in MODEL


@pytest.mark.parametrize("message", MODEL)
def test_names_of_fields_are_unique(message: str) -> None:
    names = [field.name for field in MODEL[message].values()]
    assert len(names) == len(set(names))


def test_every_message_but_the_roots_is_used() -> None:
    used = {field.message for table in MODEL.values() for field in table.values()}
    assert set(MODEL) - used == {
        *("Model", "ModelDescription"),
        *("ArgumentEntry", "Operation", "ValueType"),  # decoded one by one
    }


def test_kinds_of_models_are_members_of_the_one_of() -> None:
    assert all(number in MEMBERS for number in KINDS)
    assert KINDS[502] == "an ML Program"
    assert {number for number in MODEL["Model"] if number in MEMBERS} == {502}

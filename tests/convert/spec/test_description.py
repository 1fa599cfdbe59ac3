from __future__ import annotations

import pytest

from sdcoreml.convert.spec.description import ARRAY_TYPES, description
from sdcoreml.convert.spec.model import (
    DataType,
    Description,
    Feature,
    Metadata,
)
from sdcoreml.convert.spec.wire import (
    DELIMITED,
    VARINT,
    WireError,
    join,
)
from tests.convert.spec.packages import array, feature, message, text


def inputs(content: bytes) -> Feature:
    (found,) = description(message(1, content)).inputs
    return found


def test_nothing_is_a_description_too() -> None:
    assert description(b"") == Description(inputs=(), outputs=(), metadata=Metadata())


@pytest.mark.parametrize(("number", "dtype"), ARRAY_TYPES.items())
def test_element_types(number: int, dtype: DataType) -> None:
    assert inputs(feature("x", array((2, 3), number))).dtype is dtype


def test_the_number_of_an_element_type_says_its_class_and_width() -> None:
    for number, dtype in ARRAY_TYPES.items():
        width = int("".join(filter(str.isdigit, dtype.name)))
        assert number & 0xFFFF == width
        assert number >> 16 == (1 if dtype.name.startswith("FLOAT") else 2)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1, "int64"), (2, "double"), (3, "string"), (4, "image"), (6, "dictionary"), (7, "sequence")],
)
def test_other_kinds_are_named(number: int, kind: str) -> None:
    assert inputs(feature("x", b"", number)) == Feature(name="x", dtype=None, kind=kind)


def test_an_optional_input() -> None:
    kind = message(5, array((1,))) + join(1000, VARINT, 1)
    found = inputs(text(1, "x") + join(3, DELIMITED, kind))
    assert found.optional
    assert not found.flexible


def test_a_shape_may_be_written_one_number_at_a_time() -> None:
    content = join(1, VARINT, 2) + join(1, VARINT, 3) + join(2, VARINT, 65568)
    assert inputs(feature("x", content)).shape == (2, 3)


def test_an_unbounded_range_ends_at_minus_one() -> None:
    found = inputs(feature("x", array((1, 4), ranges=[(1, 1), (0, -1)])))
    assert found.ranges == ((1, 1), (0, -1))
    assert found.flexible


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (text(1, "x"), "feature 'x' has 0 types"),
        (text(1, "x") + message(3, message(4), message(5)), "feature 'x' has 2 types"),
        (feature("x", b""), "unknown element type 0"),
        (feature("x", b"", number=8), "unknown element type 0"),
    ],
)
def test_faults(content: bytes, what: str) -> None:
    with pytest.raises(WireError, match=what):
        inputs(content)

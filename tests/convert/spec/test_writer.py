"""The reader gets the same values back from the bytes that the writer makes of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.spec.model import (
    Blob,
    Block,
    DataType,
    Description,
    DictionaryType,
    Elements,
    Feature,
    Function,
    ListType,
    Metadata,
    Model,
    NamedType,
    Operation,
    Pairs,
    Program,
    Sequence,
    TensorType,
    TupleType,
    Value,
    ValueType,
)
from sdcoreml.convert.spec.reader import parse_model
from sdcoreml.convert.spec.writer import serialise_model

SCALAR = TensorType(dtype=DataType.STRING)
WORD = Value(type=SCALAR, data=Elements(values=("x",)))


def model(*operations: Operation, description: Description | None = None) -> Model:
    block = Block(operations=operations, outputs=("y",))
    inputs = (NamedType(name="x", type=TensorType(dtype=DataType.FLOAT16, shape=(2, None))),)
    function = Function(inputs=inputs, opset="CoreML6", blocks={"CoreML6": block})
    return Model(
        specification_version=7,
        description=description or Description(inputs=(), outputs=()),
        program=Program(version=1, functions={"main": function}),
    )


def constant(value: Value) -> Operation:
    return Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name="y", type=value.type),),
        attributes={"name": WORD, "val": value},
    )


def read_back(value: Model) -> Model:
    parsed = parse_model(serialise_model(value))
    return replace(parsed, description=replace(parsed.description, raw=b""))


NUMBERS: Mapping[DataType, st.SearchStrategy[Any]] = {
    DataType.FLOAT32: st.floats(width=32, allow_nan=False),
    DataType.FLOAT64: st.floats(allow_nan=False),
    DataType.INT32: st.integers(-(2**31), 2**31 - 1),
    DataType.INT64: st.integers(-(2**63), 2**63 - 1),
    DataType.UINT16: st.integers(0, 2**16 - 1),
    DataType.BOOL: st.booleans(),
    DataType.STRING: st.text(st.characters(codec="utf-8")),
}


@st.composite
def tensors(draw: st.DrawFn) -> Value:
    dtype = draw(st.sampled_from(list(NUMBERS)))
    values = draw(st.lists(NUMBERS[dtype], min_size=1, max_size=5))
    kind = TensorType(dtype=dtype, shape=(len(values),))
    return Value(type=kind, data=Elements(values=tuple(values)))


@given(tensors())
def test_immediate_values(value: Value) -> None:
    assert read_back(model(constant(value))) == model(constant(value))


KINDS: st.SearchStrategy[ValueType] = st.recursive(
    st.builds(
        TensorType,
        dtype=st.sampled_from(DataType),
        shape=st.lists(st.none() | st.integers(0, 2**40), max_size=5).map(tuple),
    ),
    lambda inner: (
        st.builds(ListType, element=inner, length=st.none() | st.integers(0, 9))
        | st.builds(TupleType, elements=st.lists(inner, max_size=3).map(tuple))
        | st.builds(DictionaryType, key=inner, value=inner)
    ),
    max_leaves=5,
)


@given(KINDS, st.integers(0, 2**50), st.text(st.characters(codec="utf-8"), min_size=1))
def test_types_and_blobs(kind: ValueType, offset: int, path: str) -> None:
    blob = Value(type=kind, data=Blob(path=path, offset=offset))
    assert read_back(model(constant(blob))) == model(constant(blob))


def test_raw_bytes_lists_tuples_and_dictionaries() -> None:
    half = Value(
        type=TensorType(dtype=DataType.FLOAT16, shape=(2,)),
        data=Elements(values=b"\x00\x3c\x00\x40"),
    )
    pair = TupleType(elements=(half.type, SCALAR))
    values = (
        half,
        Value(type=ListType(element=SCALAR, length=2), data=Sequence(items=(WORD, WORD))),
        Value(type=pair, data=Sequence(items=(half, WORD))),
        Value(type=DictionaryType(key=SCALAR, value=half.type), data=Pairs(items=((WORD, half),))),
    )
    whole = model(*map(constant, values))
    assert read_back(whole) == whole


def test_operations_with_names_values_and_blocks() -> None:
    inner = Block(operations=(constant(WORD),), outputs=("y",))
    operation = Operation(
        type="cond",
        inputs={"pred": ("p",), "values": ("a", "b"), "axis": (WORD,)},
        outputs=(NamedType(name="y", type=SCALAR), NamedType(name="z", type=SCALAR)),
        attributes={"name": WORD},
        blocks=(inner, inner),
    )
    assert read_back(model(operation)) == model(operation)


def test_the_description() -> None:
    description = Description(
        inputs=(
            Feature(name="x", dtype=DataType.FLOAT16, shape=(1, 2), description="An input."),
            Feature(name="ids", dtype=DataType.INT32, shape=(300,), optional=True),
        ),
        outputs=(Feature(name="y", dtype=DataType.FLOAT32, shape=()),),
        metadata=Metadata(
            description="what",
            version="1",
            author="who",
            licence="MIT",
            user_defined={"b": "2", "a": "1", "empty": ""},
        ),
    )
    whole = model(description=description)
    assert read_back(whole) == whole


def test_maps_are_sorted_so_that_equal_values_are_equal_bytes() -> None:
    forth, back = ({"a": WORD, "b": WORD}, {"b": WORD, "a": WORD})
    first, second = (
        serialise_model(model(replace(constant(WORD), attributes=order))) for order in (forth, back)
    )
    assert first == second


def test_the_bytes_of_a_small_model() -> None:
    empty = Model(
        specification_version=7,
        description=Description(inputs=(), outputs=()),
        program=Program(version=1, functions={}),
    )
    # 1: 7 | 2: {100: {}} | 502: {1: 1}
    assert serialise_model(empty).hex() == "0807" + "1203" + "a20600" + "b21f02" + "0801"


@pytest.mark.parametrize(
    "feature",
    [
        Feature(name="image", dtype=None, kind="image"),
        Feature(name="x", dtype=DataType.FLOAT16, shape=(1,), flexible=True),
    ],
)
def test_features_that_cannot_be_described(feature: Feature) -> None:
    description = Description(inputs=(feature,), outputs=())
    with pytest.raises(ValueError, match=f"{feature.name}: only multi-arrays of fixed shape"):
        serialise_model(model(description=description))


def test_numbers_that_are_equal_and_not_the_same_stay_apart() -> None:
    scalar = TensorType(dtype=DataType.FLOAT32)
    both = [
        Operation(
            type="add",
            inputs={"y": (Value(type=scalar, data=Elements(values=(zero,))),)},
            outputs=(NamedType(name=name, type=scalar),),
        )
        for name, zero in (("a", 0.0), ("b", -0.0))
    ]
    data = serialise_model(model(*both))
    values = [one.inputs["y"][0] for one in parse_model(data).program.main.block.operations]
    assert [str(value.data.values[0]) for value in values] == ["0.0", "-0.0"]  # type: ignore[union-attr]

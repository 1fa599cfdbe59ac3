"""Hypothesis strategies for arbitrary programs."""

from __future__ import annotations

import string
from collections.abc import Callable

from hypothesis import strategies as st

from sdcoreml.convert.compile.literals import PLAIN
from sdcoreml.convert.compile.names import DTYPES
from sdcoreml.convert.spec.model import (
    Blob,
    Block,
    DataType,
    DictionaryType,
    Elements,
    Function,
    ListType,
    NamedType,
    Operation,
    Pairs,
    Program,
    Sequence,
    StateType,
    TensorType,
    TupleType,
    Value,
    ValueType,
)

LETTERS = string.ascii_letters + "_"
NAMES = st.builds(
    str.__add__, st.sampled_from(LETTERS), st.text(LETTERS + string.digits + "@", max_size=6)
)
SIZES = st.integers(0, 3)
PLAIN_TEXTS = st.from_regex(PLAIN, fullmatch=True)
NUMBERS: dict[DataType, st.SearchStrategy[object]] = {
    DataType.BOOL: st.booleans(),
    DataType.STRING: PLAIN_TEXTS,
    DataType.FLOAT32: st.floats(allow_nan=False, width=32),
    DataType.INT32: st.integers(-(2**31), 2**31 - 1),
    DataType.UINT64: st.integers(0, 2**64 - 1),
}


@st.composite
def tensors(draw: Callable[..., object]) -> Value:
    dtype = draw(st.sampled_from(sorted(NUMBERS)))
    assert isinstance(dtype, DataType)
    shape = draw(st.lists(SIZES, max_size=3))
    assert isinstance(shape, list)
    count = 1
    for size in shape:
        count *= size
    values = draw(st.lists(NUMBERS[dtype], min_size=count, max_size=count))
    assert isinstance(values, list)
    kind = TensorType(dtype=dtype, shape=tuple(shape))
    return Value(type=kind, data=Elements(values=tuple(values)))


BLOBS = st.builds(
    lambda dtype, offset: Value(
        type=TensorType(dtype=dtype, shape=(2, 3)), data=Blob(path="@model_path/w", offset=offset)
    ),
    st.sampled_from(sorted(DTYPES)),
    st.integers(0, 2**63),
)


def compound(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(
            lambda items: Value(
                type=TupleType(elements=tuple(item.type for item in items)),
                data=Sequence(items=tuple(items)),
            )
        ),
        st.tuples(inner, st.integers(0, 3)).map(
            lambda pair: Value(
                type=ListType(element=pair[0].type), data=Sequence(items=(pair[0],) * pair[1])
            )
        ),
        st.tuples(inner, inner).map(
            lambda pair: Value(
                type=DictionaryType(key=pair[0].type, value=pair[1].type),
                data=Pairs(items=(pair,)),
            )
        ),
    )


VALUES = st.recursive(st.one_of(tensors(), BLOBS), compound, max_leaves=4)
TYPES: st.SearchStrategy[ValueType] = st.one_of(
    VALUES.map(lambda value: value.type),
    st.just(StateType(wrapped=TensorType(dtype=DataType.FLOAT16, shape=(None, 2)))),
)
NAMED = st.builds(lambda name, kind: NamedType(name=name, type=kind), NAMES, TYPES)
ARGUMENTS = st.lists(st.one_of(NAMES, VALUES), min_size=1, max_size=3).map(tuple)
OPERATION = st.builds(
    lambda kind, inputs, outputs, attributes: Operation(
        type=kind, inputs=inputs, outputs=tuple(outputs), attributes=attributes
    ),
    NAMES,
    st.dictionaries(NAMES, ARGUMENTS, max_size=3),
    st.lists(NAMED, max_size=2),
    st.dictionaries(NAMES, VALUES, max_size=3),
)
PROGRAMS = st.builds(
    lambda name, operations, inputs, outputs, attributes: Program(
        version=1,
        functions={
            name: Function(
                inputs=tuple(sorted(inputs, key=lambda named: named.name)),
                opset="CoreML7",
                blocks={"CoreML7": Block(operations=tuple(operations), outputs=tuple(outputs))},
                attributes=attributes,
            )
        },
        attributes=attributes,
    ),
    NAMES,
    st.lists(OPERATION, max_size=3),
    st.lists(NAMED, max_size=2),
    st.lists(NAMES, max_size=2),
    st.dictionaries(NAMES, VALUES, max_size=2),
)

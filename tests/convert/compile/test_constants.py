from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.compile.constants import MAX_DEPTH, Constants, tensor_type
from sdcoreml.convert.compile.names import BY_NAME, DTYPES
from sdcoreml.convert.compile.words import TextError
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    DictionaryType,
    Elements,
    ListType,
    Pairs,
    Sequence,
    StateType,
    TensorType,
    TupleType,
    Value,
    ValueType,
)

STRING = TensorType(dtype=DataType.STRING)
INT = TensorType(dtype=DataType.INT32)
HALF = TensorType(dtype=DataType.FLOAT16)


def read(text: str, *, bare: bool = False) -> Constants:
    return Constants(text=text, bare=bare)


def number(value: int) -> Value:
    return Value(type=INT, data=Elements(values=(value,)))


def word(text: str) -> Value:
    return Value(type=STRING, data=Elements(values=(text,)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("tensor<fp16, []>", HALF),
        ("tensor<int32, [3]>", TensorType(dtype=DataType.INT32, shape=(3,))),
        ("tensor<fp32, [1, ?, 0]>", TensorType(dtype=DataType.FLOAT32, shape=(1, None, 0))),
        (
            "list<tensor<int32, [2]>, 5>",
            ListType(element=TensorType(dtype=DataType.INT32, shape=(2,)), length=5),
        ),
        ("list<tensor<string, []>, ?>", ListType(element=STRING, length=None)),
        ("dict<tensor<string, []>, tensor<int32, []>>", DictionaryType(key=STRING, value=INT)),
        ("tuple<tensor<int32, []>>", TupleType(elements=(INT,))),
        (
            "tuple<tensor<int32, []>, tensor<string, []>, tensor<int32, []>>",
            TupleType(elements=(INT, STRING, INT)),
        ),
        ("state<tensor<fp16, []>>", StateType(wrapped=HALF)),
        (
            "list<dict<tensor<string, []>, state<tensor<fp16, []>>>, 1>",
            ListType(element=DictionaryType(key=STRING, value=StateType(wrapped=HALF)), length=1),
        ),
    ],
)
def test_types(text: str, kind: ValueType) -> None:
    cursor = read(text + " x")
    assert cursor.type() == kind
    assert cursor.next == "x"


@pytest.mark.parametrize(("name", "dtype"), BY_NAME.items())
def test_every_element_type_has_a_name(name: str, dtype: DataType) -> None:
    assert tensor_type(f"tensor<{name}, [7]>") == TensorType(dtype=dtype, shape=(7,))
    assert read(name, bare=True).type() == TensorType(dtype=dtype)
    assert DTYPES[dtype] == name


def test_bare_names_are_of_a_later_version() -> None:
    with pytest.raises(TextError, match="line 1: expected a type, found 'fp16'"):
        read("fp16").type()
    assert read("list<fp16, 2>", bare=True).type() == ListType(element=HALF, length=2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tensor<half, []>", "not a tensor type: 'tensor<half, "),
        ("tensor<fp16, [-1]>", "not a tensor type"),
        ("tensor<fp16, [1,2]>", "not a tensor type"),
        ("tensor<fp16>", "not a tensor type"),
        ("tensor<fp16, [12345678901234567890]>", "not a tensor type"),
        ("set<tensor<fp16, []>>", "expected a type, found 'set'"),
        ("list tensor<fp16, []>", "expected '<', found 'tensor<fp16"),
        ("list<tensor<fp16, []>>", "expected ',', found '>'"),
        ("list<tensor<fp16, []>, -1>", "expected a number, found '-1'"),
        ("dict<tensor<fp16, []>, >", "expected a type, found '>'"),
        ("tuple<>", "expected a type, found '>'"),
        ("state<tensor<fp16, []>", "expected '>', found ''"),
        ("", "expected a type, found ''"),
    ],
)
def test_what_is_no_type_is_told(text: str, why: str) -> None:
    with pytest.raises(TextError, match=f"^line 1: {why}"):
        read(text).type()


def nested(depth: int) -> str:
    return "tuple<" * depth + "tensor<fp16, []>" + ">" * depth


def test_types_within_types_have_an_end() -> None:
    read(nested(MAX_DEPTH + 1)).type()
    with pytest.raises(TextError, match="expected a type, found 'tuple'"):
        read(nested(MAX_DEPTH + 2)).type()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tensor<int32, []>(-7)", number(-7)),
        ('tensor<string, []>("a, b")', word("a, b")),
        (
            "tensor<int32, [2, 2]>([[1, 2], [3, 4]])",
            Value(
                type=TensorType(dtype=DataType.INT32, shape=(2, 2)),
                data=Elements(values=(1, 2, 3, 4)),
            ),
        ),
        (
            "tensor<bool, [2]>([true, false])",
            Value(
                type=TensorType(dtype=DataType.BOOL, shape=(2,)),
                data=Elements(values=(True, False)),
            ),
        ),
        (
            "list<tensor<int32, []>, 2>([1, 2])",
            Value(
                type=ListType(element=INT, length=2),
                data=Sequence(items=(number(1), number(2))),
            ),
        ),
        (
            "list<tensor<int32, []>, 0>([])",
            Value(type=ListType(element=INT, length=0), data=Sequence(items=())),
        ),
        (
            'tuple<tensor<int32, []>, tensor<string, []>>((1, "x"))',
            Value(
                type=TupleType(elements=(INT, STRING)),
                data=Sequence(items=(number(1), word("x"))),
            ),
        ),
        (
            'dict<tensor<string, []>, tensor<int32, []>>({{"a", 1}, {"b", 2}})',
            Value(
                type=DictionaryType(key=STRING, value=INT),
                data=Pairs(items=((word("a"), number(1)), (word("b"), number(2)))),
            ),
        ),
        (
            "dict<tensor<string, []>, tensor<int32, []>>({})",
            Value(type=DictionaryType(key=STRING, value=INT), data=Pairs(items=())),
        ),
        (
            (
                'tensor<fp16, [9]>(BLOBFILE(path = tensor<string, []>("@model_path/w"),'
                " offset = tensor<uint64, []>(64)))"
            ),
            Value(
                type=TensorType(dtype=DataType.FLOAT16, shape=(9,)),
                data=Blob(path="@model_path/w", offset=64),
            ),
        ),
    ],
)
def test_constants(text: str, value: Value) -> None:
    cursor = read(text + " ;")
    assert cursor.value() == value
    assert cursor.next == ";"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tensor<int32, []>", r"expected '\(', found ''"),
        ("tensor<int32, []>()", ""),
        ("tensor<int32, [2]>([1])", "1 elements"),
        ("tensor<int32, [2]>([1, 2, 3])", "3 elements"),
        ("tensor<int32, [2]>(1, 2)", ""),
        ("tensor<int32, [1, 2]>([1, 2])", r"brackets do not match the shape \[1, 2\]"),
        ("tensor<int32, [2]>([[1], [2]])", r"brackets do not match the shape \[2\]"),
        ("tensor<int32, [2]>([1, 2", "the text ends too early"),
        ("tensor<int32, []>(1.5)", ""),
        ("tensor<int32, []>(99999999999)", ""),
        ("state<tensor<fp16, []>>(0x0p+0)", "a constant cannot be a state"),
        ("list<tensor<int32, []>, 2>([1 2])", "expected ',', found '2'"),
        ("list<tensor<int32, []>, 2>(1)", r"expected '\[', found '1'"),
        ("tuple<tensor<int32, []>>((1, 2))", r"expected '\)', found ','"),
        ("dict<tensor<int32, []>, tensor<int32, []>>({1, 2})", "expected '{', found '1'"),
        ("dict<tensor<int32, []>, tensor<int32, []>>({{1}})", "expected ',', found '}'"),
        (
            "tensor<fp16, []>(BLOBFILE(path = tensor<int32, []>(1)",
            "expected a string",
        ),
        (
            (
                'tensor<fp16, []>(BLOBFILE(path = tensor<string, []>("w"), offset ='
                " tensor<int32, []>(1)))"
            ),
            "expected a uint64",
        ),
        ("tensor<fp16, []>(BLOBFILE(offset = tensor<uint64, []>(1)))", "expected 'path'"),
    ],
)
def test_what_is_no_constant_is_told(text: str, why: str) -> None:
    with pytest.raises(TextError, match=f"line 1: .*{why}"):
        read(text).value()


def test_attributes_are_named_constants() -> None:
    assert read("[a = tensor<int32, []>(1), b = tensor<int32, []>(2)];").attributes() == {
        "a": number(1),
        "b": number(2),
    }
    assert read(";").attributes() == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", r"expected a name, found '\]'"),
        ("[a]", r"expected '=', found '\]'"),
        ("[a = tensor<int32, []>(1), ]", r"expected a name, found '\]'"),
        ("[a = tensor<int32, []>(1)", "expected ',', found ''"),
        ("[a = tensor<int32, []>(1), a = tensor<int32, []>(1)]", "duplicate attribute 'a'"),
    ],
)
def test_attributes_that_are_none(text: str, why: str) -> None:
    with pytest.raises(TextError, match=why):
        read(text).attributes()


def test_the_fault_is_at_the_word_where_the_constant_starts() -> None:
    with pytest.raises(TextError, match=r"^line 3: the brackets do not match"):
        read("\n\ntensor<int32, [2]>([[1],\n\n[2]])").value()


@given(st.text(st.sampled_from('tensorlidup<>[](){}=,?0123456789 fp16\n"x'), max_size=60))
def test_noise_is_a_type_or_a_fault(text: str) -> None:
    cursor = read(text)
    try:
        cursor.type()
    except TextError as error:
        assert str(error).startswith("line ")  # noqa: PT017  either way is fine, nothing else is

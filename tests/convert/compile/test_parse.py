from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcoreml.convert.compile.literals import LiteralError
from sdcoreml.convert.compile.parse import parse
from sdcoreml.convert.compile.text import write
from sdcoreml.convert.compile.words import TextError
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Elements,
    NamedType,
    Operation,
    Program,
    StateType,
    TensorType,
    Value,
)
from tests.convert.compile.strategies import PROGRAMS
from tests.convert.compile.texts import ALL, OPERATIONS, STATEFUL

START = "program(1.3)\n{\n    func main<ios16>(fp16 x) {\n            "


def one(operation: str) -> str:
    """Return the text of a program with one operation, which is on line 4."""
    return f"{START}{operation};\n        }} -> (y);\n}}"


def parsed(operation: str) -> Operation:
    (found,) = parse(one(operation)).program.functions["main"].block.operations
    return found


HALF = TensorType(dtype=DataType.FLOAT16)


def test_values_and_names_are_told_apart() -> None:
    operation = parsed('fp16 y = f(a = x, b = fp16(0x1p+0), c = (x, int32(3)))[name = string("n")]')
    assert operation.inputs == {
        "a": ("x",),
        "b": (Value(type=HALF, data=Elements(values=b"\x00\x3c")),),
        "c": ("x", Value(type=TensorType(dtype=DataType.INT32), data=Elements(values=(3,)))),
    }
    assert operation.outputs == (NamedType(name="y", type=HALF),)


def test_the_layout_does_not_matter() -> None:
    squeezed = re.sub(r"\n *", " ", OPERATIONS)
    assert parse(squeezed) == parse(OPERATIONS)


def test_functions_and_their_version() -> None:
    found = parse(STATEFUL)
    assert found.version == "1.3"
    assert list(found.program.functions) == ["decode", "main"]
    decode = found.program.functions["decode"]
    assert decode.opset == "CoreML8"
    cache = TensorType(dtype=DataType.FLOAT16, shape=(1, 8))
    assert decode.inputs[0] == NamedType(name="cache", type=StateType(wrapped=cache))
    assert [operation.outputs for operation in decode.block.operations[2:3]] == [()]
    assert decode.block.outputs == ("y",)


def test_a_blob_is_read() -> None:
    operation = parsed(
        'fp16 y = const()[val = fp16(BLOBFILE(path = string("@model_path/w"), offset = uint64(9)))]'
    )
    assert operation.attributes["val"].data == Blob(path="@model_path/w", offset=9)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("fp16 y = relu(x = x", "expected ',', found ';'"),
        ("fp16 y = relu(x = x, x = x)", "duplicate argument 'x'"),
        ("fp16 y = relu()[a = int32(1), a = int32(1)]", "duplicate attribute 'a'"),
        ("fp16 y = relu()[]", r"expected a name, found '\]'"),
        ("fp16 1 = relu()", "expected a name, found '1'"),
        ("half y = relu()", "expected a type, found 'half'"),
        ("tensor<half, [1]> y = relu()", "not a tensor type: 'tensor<half"),
        ("tensor<fp16, [1, ]> y = relu()", "not a tensor type"),
        ("tensor<fp16, [1,2]> y = relu()", "not a tensor type"),
        ("tensor<fp16, [99999999999999999999]> y = relu()", "not a tensor type"),
        ("list<fp16> y = relu()", "expected ',', found '>'"),
        ("list<fp16, x> y = relu()", "expected a number, found 'x'"),
        ("fp16 y = const()[val = fp16(1)]", "not a hexadecimal"),
        ("fp16 y = const()[val = tensor<fp16, [2]>([0x1p+0])]", "1 elements in a constant"),
        ("fp16 y = const()[val = tensor<int32, [2, 1]>([[1, 2]])]", "brackets do not match"),
        ("fp16 y = const()[val = tensor<int32, [2]>([1 2])]", "brackets do not match"),
        ("fp16 y = const()[val = state<fp16>(1)]", "cannot be a state"),
        ("fp16 y = const()[val = fp16(BLOBFILE(path = int32(1)", "expected a string"),
        ("fp16 y = const()[val = dict<fp16, fp16>({1})]", "expected '{', found '1'"),
        ("fp16 y = const()[val = tuple<int32, int32>((1))]", r"expected ',', found '\)'"),
        ("fp16 y = cond()() { }", r"expected ';', found '\('"),
        ("fp16 y = relu(x = €)", "expected a name, found '€'"),
    ],
)
def test_faults_name_the_line(operation: str, message: str) -> None:
    with pytest.raises(TextError, match=f"line 4: .*{message}"):
        parse(one(operation))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected 'program', found ''"),
        ("program(2.0)", "text version '2.0' is not 1.0 or 1.3"),
        ("program(1.0)\n{ func f<ios99>", "unknown opset 'ios99'"),
        ("program(1.0)\n{", "expected '}', found ''"),
        ("program(1.0)\n{} {", "expected '', found '{'"),
        (
            "program(1.3){func f<ios16>(){}->();func f<ios16>(){}->();}",
            "duplicate function 'f'",
        ),
        ("program(1.3){func f<ios16>(" + "tuple<" * 500, "expected a type"),
        ("program(1.0)\n[a = tensor<int32, [1]>([[[[", "the text ends too early"),
    ],
)
def test_faults_of_the_frame(text: str, message: str) -> None:
    with pytest.raises(TextError, match=message):
        parse(text)


WORDS = st.sampled_from(
    [
        *("(", ")", "[", "]", "{", "}", "<", ">", ",", ";", "=", "->", '"', "?", "\n", " "),
        *("tensor<fp16, [2]>", "dict<", "list<", "tuple<", "state<", "fp16", "int32", "BLOBFILE"),
        *("0x1p+0", "-1", "nan", "-inf", "name", "program", "func", "ios16", "1.0", "\ud800", "é"),
    ]
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(ALL)), st.data())
def test_damaged_texts_are_read_or_refused(name: str, data: st.DataObject) -> None:
    text = ALL[name]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    damaged = text[:start] + "".join(data.draw(st.lists(WORDS, max_size=6))) + text[end:]
    read_or_refused(damaged)


@given(st.lists(WORDS, max_size=30))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    read_or_refused(one(" ".join(words)))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    read_or_refused(text)


def read_or_refused(text: str) -> None:
    """Parse a text; if it can be written, require that the written text is stable."""
    try:
        found = parse(text)
        written = write(found.program, found.version)
    except (TextError, LiteralError):
        return
    again = parse(written)
    assert write(again.program, again.version) == written


@settings(max_examples=40)
@given(PROGRAMS, st.sampled_from(["1.0", "1.3"]))
def test_any_program_is_read_back(program: Program, version: str) -> None:
    found = parse(write(program, version))
    assert found.program == program
    assert found.version == version

from __future__ import annotations

import pytest

from sdcoreml.convert.compile.literals import LiteralError
from sdcoreml.convert.compile.parse import parse
from sdcoreml.convert.compile.text import write
from sdcoreml.convert.spec.model import (
    Blob,
    Block,
    DataType,
    Elements,
    Function,
    NamedType,
    Operation,
    Program,
    Sequence,
    TensorType,
    Value,
)
from tests.convert.compile.texts import ALL, OPERATIONS

STRING = TensorType(dtype=DataType.STRING)
SCALAR = TensorType(dtype=DataType.INT32)


def program(*operations: Operation, opset: str = "CoreML6") -> Program:
    block = Block(operations=operations, outputs=("y",))
    function = Function(
        inputs=(NamedType(name="b", type=SCALAR), NamedType(name="a", type=SCALAR)),
        opset=opset,
        blocks={opset: block},
    )
    return Program(version=1, functions={"main": function})


def constant(kind: TensorType, elements: Elements | Sequence) -> Operation:
    return Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name="y", type=kind),),
        attributes={"val": Value(type=kind, data=elements), "name": text("y")},
    )


def text(words: str) -> Value:
    return Value(type=STRING, data=Elements(values=(words,)))


@pytest.mark.parametrize("name", ALL)
def test_texts_are_read_and_written_back(name: str) -> None:
    parsed = parse(ALL[name])
    assert write(parsed.program, parsed.version) == ALL[name]


def test_inputs_arguments_and_attributes_are_sorted_by_name() -> None:
    operation = Operation(
        type="lstm",
        inputs={"y": ("b",), "x": ("b", "a")},
        outputs=(NamedType(name="y", type=SCALAR), NamedType(name="a", type=SCALAR)),
        attributes={"name": text("n"), "axis": Value(type=SCALAR, data=Elements(values=(1,)))},
    )
    lines = [line.strip() for line in write(program(operation), "1.3").splitlines()]
    assert "func main<ios16>(int32 a, int32 b) {" in lines
    attributes = '[axis = int32(1), name = string("n")]'
    assert f"int32 y, int32 a = lstm(x = (b, a), y = b){attributes};" in lines


def test_scalars_are_bare_in_version_1_3_only() -> None:
    operation = constant(SCALAR, Elements(values=(7,)))
    assert "tensor<int32, []> y = const()" in write(program(operation), "1.0")
    assert "int32 y = const()" in write(program(operation), "1.3")


def test_without_attributes_there_are_no_brackets() -> None:
    operation = Operation(type="relu", inputs={"x": ("a",)}, outputs=())
    assert "            relu(x = a);\n" in write(program(operation), "1.0")


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (constant(SCALAR, Elements(values=(1, 2))), "2 elements in a constant of shape"),
        (constant(STRING, Elements(values=('say "x"',))), "other than plain ASCII"),
        (constant(TensorType(dtype=DataType.BFLOAT16), Elements(values=b"ab")), "BFLOAT16"),
        (
            constant(SCALAR, Sequence(items=())),
            "a constant's data does not match its type",
        ),
    ],
)
def test_what_has_no_notation_is_refused(operation: Operation, message: str) -> None:
    with pytest.raises(LiteralError, match=message):
        write(program(operation), "1.0")


def test_unknown_opsets_are_refused() -> None:
    with pytest.raises(LiteralError, match="opset 'CoreML99' has no known name"):
        write(program(opset="CoreML99"), "1.0")


def test_blobs_are_written_with_path_and_offset() -> None:
    kind = TensorType(dtype=DataType.FLOAT16, shape=(4,))
    value = Value(type=kind, data=Blob(path="@model_path/weights/weight.bin", offset=64))
    operation = Operation(type="const", inputs={}, outputs=(), attributes={"val": value})
    assert (
        'val = tensor<fp16, [4]>(BLOBFILE(path = string("@model_path/weights/weight.bin"),'
        " offset = uint64(64)))"
    ) in write(program(operation), "1.3")


def test_the_fixtures_have_every_operation_that_the_programs_emit() -> None:
    emitted = {
        *("add", "batch_norm", "cast", "concat", "const", "conv", "cos", "einsum", "equal"),
        *("expand_dims", "gather", "gelu", "layer_norm", "matmul", "mul", "real_div"),
        *("reduce_argmax", "reduce_mean", "reshape", "sigmoid", "silu", "sin", "slice_by_index"),
        *("softmax", "split", "sqrt", "square", "squeeze", "sub", "transpose"),
        "upsample_nearest_neighbor",
    }
    operations = parse(OPERATIONS).program.functions["main"].block.operations
    assert {operation.type for operation in operations} == emitted

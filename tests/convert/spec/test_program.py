"""Reads programs from decoded messages, written here as dictionaries."""

from __future__ import annotations

from typing import Any

import pytest

from sdcoreml.convert.spec.fields import MODEL
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    DictionaryType,
    Elements,
    Function,
    ListType,
    NamedType,
    Pairs,
    Sequence,
    StateType,
    TensorType,
    TupleType,
    Value,
    ValueType,
)
from sdcoreml.convert.spec.program import FIELDS, program, value_type
from sdcoreml.convert.spec.wire import (
    MAX_DEPTH,
    VARINT,
    Message,
    WireError,
    encoder,
    join,
)
from tests.convert.spec.packages import message

HALF = message(1, join(1, VARINT, 10))
INT = message(1, join(1, VARINT, 23))
INT_TYPE = TensorType(dtype=DataType.INT32)


def tensor(dtype: DataType, *sizes: int) -> bytes:
    """Return a serialised tensor type of fixed shape."""
    dimensions = b"".join(message(3, message(1, join(1, VARINT, size))) for size in sizes)
    return message(1, join(1, VARINT, dtype.value) + join(2, VARINT, len(sizes)) + dimensions)


def immediate(kind: bytes, **content: Any) -> Message:
    return {"type": kind, "immediateValue": content}


def number(value: int) -> Message:
    return immediate(INT, tensor={"ints": {"values": [value]}})


def read(value: Message) -> Value:
    """Read a value, given as a decoded message, as an attribute of a program."""
    whole = {"functions": [], "attributes": [{"key": "a", "value": value}]}
    return program(whole).attributes["a"]


def refused(why: str, value: Message) -> None:
    with pytest.raises(WireError, match=why):
        read(value)


def block(*operations: bytes, **fields: Any) -> Message:
    empty: Message = {"inputs": [], "outputs": ["y"], "attributes": []}
    return {**empty, "operations": list(operations), **fields}


def operation(*inputs: bytes, **fields: Any) -> bytes:
    return encoder(MODEL)({"type": "op", "inputs": inputs, **fields}, "Operation")


def function(*blocks: tuple[str, Message], opset: str = "CoreML6") -> Function:
    content: Message = {
        "opset": opset,
        "inputs": [{"name": "x", "type": HALF}],
        "attributes": [],
        "block_specializations": [{"key": name, "value": found} for name, found in blocks],
    }
    whole = {"version": 1, "functions": [{"key": "main", "value": content}], "attributes": []}
    return program(whole).functions["main"]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (tensor(DataType.FLOAT16), TensorType(dtype=DataType.FLOAT16)),
        (tensor(DataType.BOOL, 1, 0, 77), TensorType(dtype=DataType.BOOL, shape=(1, 0, 77))),
        (message(2, message(1, INT), message(2)), ListType(element=INT_TYPE)),
        (
            message(2, message(1, INT), message(2, message(1, join(1, VARINT, 5)))),
            ListType(element=INT_TYPE, length=5),
        ),
        (
            message(3, message(1, INT), message(1, HALF)),
            TupleType(elements=(INT_TYPE, TensorType(dtype=DataType.FLOAT16))),
        ),
        (
            message(4, message(1, INT), message(2, INT)),
            DictionaryType(key=INT_TYPE, value=INT_TYPE),
        ),
        (message(5, message(1, INT)), StateType(wrapped=INT_TYPE)),
    ],
)
def test_types(raw: bytes, kind: ValueType) -> None:
    assert value_type(raw) == kind
    assert value_type(raw) is value_type(bytes(bytearray(raw))), "one object for the same bytes"


def test_an_unknown_dimension_is_none() -> None:
    dimension = message(3, message(2, join(1, VARINT, 0)))
    raw = message(1, join(1, VARINT, 10) + join(2, VARINT, 1) + dimension)
    assert value_type(raw) == TensorType(dtype=DataType.FLOAT16, shape=(None,))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no type, an unknown one, or several"),
        (INT + message(5, message(1, INT)), "no type, an unknown one, or several"),
        (message(2, message(1, INT)), "no type, an unknown one, or several"),
        (message(4, message(1, INT)), "no type, an unknown one, or several"),
        (message(1, join(1, VARINT, 0)), "unknown element type 0"),
        (message(1, join(1, VARINT, 10) + join(2, VARINT, 1)), "rank 1 has 0 dimensions"),
    ],
)
def test_what_is_no_type_is_told(raw: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        value_type(raw)


def test_types_within_types_have_an_end() -> None:
    raw = INT
    for _ in range(MAX_DEPTH):
        raw = message(5, message(1, raw))
    assert isinstance(value_type(raw), StateType)
    with pytest.raises(WireError, match=f"types are nested more than {MAX_DEPTH} deep"):
        value_type(message(5, message(1, raw)))


@pytest.mark.parametrize(
    ("dtype", "field", "stored", "values"),
    [
        (DataType.BOOL, "bools", [True, False], (True, False)),
        (DataType.STRING, "strings", ["a", ""], ("a", "")),
        (DataType.FLOAT32, "floats", [0.5], (0.5,)),
        (DataType.FLOAT64, "doubles", [0.5], (0.5,)),
        (DataType.INT32, "ints", [-1], (-1,)),
        (DataType.INT16, "ints", [-1], (-1,)),
        (DataType.UINT16, "ints", [65535], (65535,)),
        (DataType.INT64, "longInts", [-1], (-1,)),
        (DataType.UINT64, "longInts", [-1, 5], (2**64 - 1, 5)),
        (DataType.FLOAT16, "bytes", b"\x00\x3c", b"\x00\x3c"),
        (DataType.INT8, "bytes", b"\xff", b"\xff"),
        (DataType.UINT4, "bytes", b"\x21", b"\x21"),
    ],
)
def test_elements_are_where_their_type_keeps_them(
    dtype: DataType, field: str, stored: object, values: object
) -> None:
    found = read(immediate(tensor(dtype, 2), tensor={field: {"values": stored}}))
    assert found.data == Elements(values=values)  # type: ignore[arg-type]
    other = "ints" if field != "ints" else "floats"
    refused(
        f"elements of {dtype.name} are in .*'{other}'.*, not in {field}",
        immediate(tensor(dtype, 2), tensor={other: {"values": []}}),
    )


def test_no_elements_are_written_as_nothing_at_all() -> None:
    assert read(immediate(tensor(DataType.INT32, 0), tensor={})).data == Elements(values=())
    assert read(immediate(tensor(DataType.INT8, 0), tensor={})).data == Elements(values=b"")
    assert read(immediate(tensor(DataType.INT32, 0), tensor={"ints": {}})).data == Elements(
        values=()
    )


def test_every_type_with_a_field_of_its_own_is_listed() -> None:
    assert set(FIELDS.values()) == {
        *("bools", "strings", "floats", "doubles", "ints", "longInts"),
    }


INTS = Sequence(
    items=(
        Value(type=INT_TYPE, data=Elements(values=(1,))),
        Value(type=INT_TYPE, data=Elements(values=(2,))),
    )
)


def test_compounds_hold_values() -> None:
    listed = immediate(
        message(2, message(1, INT), message(2)), list={"values": [number(1), number(2)]}
    )
    assert read(listed).data == INTS
    paired = immediate(
        message(3, message(1, INT), message(1, INT)), tuple={"values": [number(1), number(2)]}
    )
    assert read(paired).data == INTS
    pairs = [{"key": number(1), "value": number(2)}]
    mapped = immediate(message(4, message(1, INT), message(2, INT)), dictionary={"values": pairs})
    assert read(mapped).data == Pairs(items=(INTS.items,))  # type: ignore[arg-type]


def test_a_value_in_a_weight_file_is_its_place() -> None:
    found = read({"type": HALF, "blobFileValue": {"fileName": "@model_path/w", "offset": 64}})
    assert found.data == Blob(path="@model_path/w", offset=64)
    assert read({"type": HALF, "blobFileValue": {}}).data == Blob(path="", offset=0)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"type": HALF}, "neither an immediate nor a blob, or both"),
        (
            {"type": HALF, "blobFileValue": {}, "immediateValue": {"tensor": {}}},
            "neither an immediate nor a blob, or both",
        ),
        (immediate(INT), r"not of its type: \[\]"),
        (immediate(INT, list={"values": []}), r"not of its type: \['list'\]"),
        (immediate(INT, tensor={}, list={"values": []}), r"not of its type: \['list', 'tensor'\]"),
        (
            immediate(message(2, message(1, INT), message(2)), tuple={"values": []}),
            r"not of its type: \['tuple'\]",
        ),
        (immediate(message(5, message(1, INT)), tensor={}), r"not of its type: \['tensor'\]"),
        (
            immediate(
                message(4, message(1, INT), message(2, INT)),
                dictionary={"values": [{"key": number(1)}]},
            ),
            "an entry of a dictionary lacks its key or its value",
        ),
        ({"immediateValue": {"tensor": {}}}, "a value has no type"),
    ],
)
def test_what_is_no_value_is_told(value: Message, why: str) -> None:
    refused(why, value)


def argument(*bindings: Message) -> bytes:
    entry = {"key": "x", "value": {"arguments": list(bindings)}}
    return encoder(MODEL)(entry, "ArgumentEntry")


def test_arguments_are_names_and_values() -> None:
    found = function(("CoreML6", block(operation(argument({"name": "a"}, {"value": number(1)})))))
    (made,) = found.block.operations
    assert made.inputs == {"x": ("a", INTS.items[0])}


@pytest.mark.parametrize("binding", [{}, {"name": "a", "value": number(1)}])
def test_an_argument_is_a_name_or_a_value(binding: Message) -> None:
    with pytest.raises(WireError, match="bound to neither a name nor a value, or to both"):
        function(("CoreML6", block(operation(argument(binding)))))


def test_a_function_has_a_block_of_its_own_opset() -> None:
    older, newer = block(), block(outputs=["z"])
    assert function(("CoreML5", older), ("CoreML6", newer)).block.outputs == ("z",)
    with pytest.raises(
        WireError, match=r"a function of opset 'CoreML7' has blocks \['CoreML5', 'CoreML6'\] only"
    ):
        function(("CoreML6", newer), ("CoreML5", older), opset="CoreML7")


def test_what_is_named_twice_or_names_nothing_is_told() -> None:
    entry = {"key": "a", "value": number(1)}
    with pytest.raises(WireError, match="attribute 'a' occurs twice"):
        program({"functions": [], "attributes": [entry, entry]})
    with pytest.raises(WireError, match="attribute 'a' has no value"):
        program({"functions": [], "attributes": [{"key": "a"}]})
    with pytest.raises(WireError, match="block 'CoreML6' occurs twice"):
        function(("CoreML6", block()), ("CoreML6", block()))
    with pytest.raises(WireError, match="argument 'x' has no value"):
        function(("CoreML6", block(operation(encoder(MODEL)({"key": "x"}, "ArgumentEntry")))))
    with pytest.raises(WireError, match="argument 'x' occurs twice"):
        function(("CoreML6", block(operation(argument(), argument()))))


def test_blocks_within_operations_are_read() -> None:
    inner = block(operation(type="inner"), inputs=[{"name": "i", "type": INT}])
    (made,) = function(("CoreML6", block(operation(blocks=[inner])))).block.operations
    (found,) = made.blocks
    assert found.inputs == (NamedType(name="i", type=INT_TYPE),)
    assert [one.type for one in found.operations] == ["inner"]


def test_blocks_within_blocks_have_an_end() -> None:
    nested = operation()
    for _ in range(MAX_DEPTH):
        nested = operation(blocks=[block(nested)])
    assert function(("CoreML6", block(nested))).block.operations[0].blocks
    with pytest.raises(WireError, match=f"blocks are nested more than {MAX_DEPTH} deep"):
        function(("CoreML6", block(operation(blocks=[block(nested)]))))


def test_what_is_left_out_on_the_wire_is_its_default() -> None:
    bare: Message = {"functions": [], "attributes": []}
    assert (program(bare).version, program(bare).functions) == (0, {})
    (made,) = function(("CoreML6", block(operation(type=None)))).block.operations
    assert made.type == ""

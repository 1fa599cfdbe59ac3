"""Reads the program of a model: functions, blocks, operations, types and constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from sys import intern
from typing import TypeVar

from sdcoreml.convert.spec.fields import MODEL
from sdcoreml.convert.spec.model import (
    Binding,
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
from sdcoreml.convert.spec.wire import MAX_DEPTH, Message, WireError, decoder

_decode = decoder(MODEL)

T = TypeVar("T")

FIELDS: Mapping[DataType, str] = {
    DataType.BOOL: "bools",
    DataType.STRING: "strings",
    DataType.FLOAT32: "floats",
    DataType.FLOAT64: "doubles",
    DataType.INT32: "ints",
    DataType.INT64: "longInts",
    DataType.UINT64: "longInts",
    DataType.INT16: "ints",
    DataType.UINT16: "ints",
}
"""The field of `TensorValue` for the elements of each type; other types are raw in `bytes`."""

DTYPES: Mapping[int, DataType] = {dtype.value: dtype for dtype in DataType}
_UINT64 = 0xFFFFFFFFFFFFFFFF


def program(message: Message) -> Program:
    """Read the program from a decoded `Program` message.

    Raises:
        WireError: a part is missing, unknown or duplicated.
    """
    return Program(
        version=message.get("version", 0),
        functions=_mapping(message["functions"], _function, "function"),
        attributes=_mapping(message["attributes"], _value, "attribute"),
    )


def _mapping(entries: list[Message], parse: Callable[[Message], T], what: str) -> Mapping[str, T]:
    found: dict[str, T] = {}
    for entry in entries:
        key = entry.get("key", "")
        if key in found:
            raise WireError(f"{what} {key!r} occurs twice")
        if "value" not in entry:
            raise WireError(f"{what} {key!r} has no value")
        found[key] = parse(entry["value"])
    return found


def _function(message: Message) -> Function:
    opset = message.get("opset", "")
    blocks = _mapping(message["block_specializations"], _block, "block")
    if opset not in blocks:
        raise WireError(f"a function of opset {opset!r} has blocks {sorted(blocks)} only")
    return Function(
        inputs=_read_named_types(message["inputs"]),
        opset=opset,
        blocks=blocks,
        attributes=_mapping(message["attributes"], _value, "attribute"),
    )


def _block(message: Message, depth: int = 0) -> Block:
    if depth > MAX_DEPTH:
        raise WireError(f"blocks are nested more than {MAX_DEPTH} deep")
    return Block(
        operations=tuple([_operation(operation, depth) for operation in message["operations"]]),
        outputs=tuple(message["outputs"]),
        inputs=_read_named_types(message["inputs"]),
        attributes=_mapping(message["attributes"], _value, "attribute"),
    )


def _operation(raw: bytes, depth: int) -> Operation:
    message = _decode(raw, "Operation")
    return Operation(
        type=intern(message.get("type", "")),
        inputs=_inputs(message["inputs"]),
        outputs=_read_named_types(message["outputs"]),
        attributes=_mapping(message["attributes"], _value, "attribute"),
        blocks=tuple([_block(block, depth + 1) for block in message["blocks"]]),
    )


def _inputs(entries: list[bytes]) -> Mapping[str, tuple[Binding, ...]]:
    found = dict(map(_argument, entries))
    if len(found) < len(entries):
        names = [_argument(entry)[0] for entry in entries]
        twice = next(name for name in names if names.count(name) > 1)
        raise WireError(f"argument {twice!r} occurs twice")
    return found


@lru_cache(maxsize=4096)
def _argument(raw: bytes) -> tuple[str, tuple[Binding, ...]]:
    """Parse a serialised `ArgumentEntry`; equal bytes give the same object."""
    entry = _decode(raw, "ArgumentEntry")
    key = entry.get("key", "")
    if "value" not in entry:
        raise WireError(f"argument {key!r} has no value")
    return intern(key), tuple([_binding(binding) for binding in entry["value"]["arguments"]])


def _binding(message: Message) -> Binding:
    match message:
        case {"name": str() as name, **rest} if not rest:
            return intern(name)
        case {"value": dict() as value, **rest} if not rest:
            return _value(value)
    raise WireError("an argument is bound to neither a name nor a value, or to both")


def _read_named_types(messages: list[Message]) -> tuple[NamedType, ...]:
    return tuple(
        [
            NamedType(
                name=intern(message.get("name", "")), type=value_type(message.get("type", b""))
            )
            for message in messages
        ]
    )


@lru_cache(maxsize=4096)
def value_type(raw: bytes, depth: int = 0) -> ValueType:
    """Parse a serialised `ValueType`; equal bytes give the same object."""
    if depth > MAX_DEPTH:
        raise WireError(f"types are nested more than {MAX_DEPTH} deep")
    match _decode(raw, "ValueType"):
        case {"tensorType": tensor, **rest} if not rest:
            return _tensor_type(tensor)
        case {"listType": {"type": element, "length": length}, **rest} if not rest:
            return ListType(element=value_type(element, depth + 1), length=_dimension(length))
        case {"tupleType": {"types": elements}, **rest} if not rest:
            return TupleType(elements=tuple([value_type(item, depth + 1) for item in elements]))
        case {"dictionaryType": {"keyType": key, "valueType": value}, **rest} if not rest:
            return DictionaryType(
                key=value_type(key, depth + 1), value=value_type(value, depth + 1)
            )
        case {"stateType": {"wrappedType": wrapped}, **rest} if not rest:
            return StateType(wrapped=value_type(wrapped, depth + 1))
    raise WireError("a value has no type, an unknown one, or several")


def _tensor_type(message: Message) -> TensorType:
    dtype, dimensions = message.get("dataType", 0), message["dimensions"]
    rank = message.get("rank", 0)
    if rank != len(dimensions):
        raise WireError(f"a tensor type of rank {rank} has {len(dimensions)} dimensions")
    if message["attributes"]:
        raise WireError("a tensor type has attributes, whose meaning is unknown")
    if dtype not in DTYPES:
        raise WireError(f"unknown element type {dtype}")
    return TensorType(dtype=DTYPES[dtype], shape=tuple([_dimension(size) for size in dimensions]))


def _dimension(message: Message) -> int | None:
    match message:
        case {"constant": constant, **rest} if not rest:
            size: int = constant.get("size", 0)
            return size
        case {"unknown": {"variadic": True}}:
            raise WireError("a dimension is variadic: it stands for any number of dimensions")
    return None


def _value(message: Message) -> Value:
    kind = value_type(message.get("type", b""))
    match message:
        case {"blobFileValue": blob} if "immediateValue" not in message:
            at = Blob(path=blob.get("fileName", ""), offset=blob.get("offset", 0))
            return Value(type=kind, data=at)
        case {"immediateValue": immediate} if "blobFileValue" not in message:
            return Value(type=kind, data=_immediate(immediate, kind))
    raise WireError("a value has neither an immediate nor a blob, or both")


def _immediate(message: Message, kind: ValueType) -> Elements | Sequence | Pairs:
    match message, kind:
        case {"tensor": tensor, **rest}, TensorType(dtype=dtype) if not rest:
            return _elements(tensor, dtype)
        case {"list": sequence, **rest}, ListType() if not rest:
            return Sequence(items=tuple([_value(item) for item in sequence["values"]]))
        case {"tuple": sequence, **rest}, TupleType() if not rest:
            return Sequence(items=tuple([_value(item) for item in sequence["values"]]))
        case {"dictionary": pairs, **rest}, DictionaryType() if not rest:
            return Pairs(items=tuple([_pair(pair) for pair in pairs["values"]]))
    raise WireError(f"an immediate value is not of its type: {sorted(message)}")


def _pair(message: Message) -> tuple[Value, Value]:
    if len(message) != 2:  # noqa: PLR2004  a pair
        raise WireError("an entry of a dictionary lacks its key or its value")
    return _value(message["key"]), _value(message["value"])


def _elements(message: Message, dtype: DataType) -> Elements:
    wanted = FIELDS.get(dtype, "bytes")
    if not message.keys() <= {wanted}:
        raise WireError(f"elements of {dtype.name} are in {sorted(message)}, not in {wanted}")
    field: Message = message.get(wanted, {})  # absent for a tensor without elements
    if wanted == "bytes":
        return Elements(values=field.get("values", b""))
    values = field.get("values", ())
    if dtype is DataType.UINT64:  # longInts is signed
        values = [value & _UINT64 for value in values]
    return Elements(values=tuple(values))

"""A Core ML model specification as bytes: protocol buffers written by hand.

Field numbers are those of Apple's `Model.proto`, `FeatureTypes.proto` and `MIL.proto`. The order of
fields is that of their numbers, maps are sorted by key: the same values give the same bytes, with
any protobuf library and with none.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

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
    StateType,
    TensorType,
    TupleType,
    Value,
    ValueType,
)

_Scalars: TypeAlias = Any
"""A tuple of Python scalars of one kind."""

_VARINT, _BYTES = 0, 2
_WORD = 1 << 64

ARRAY_TYPES: Mapping[DataType, int] = {
    DataType.FLOAT32: 0x10020,
    DataType.FLOAT64: 0x10040,
    DataType.INT32: 0x20020,
    DataType.FLOAT16: 0x10010,
}
"""`ArrayFeatureType.ArrayDataType`."""


def serialise_model(model: Model) -> bytes:
    """The content of a `.mlmodel` file. Only multi-arrays of fixed shape can be described."""
    return b"".join(
        (
            _number(1, model.specification_version),
            _message(2, _description(model.description)),
            _number(10, model.is_updatable),
            _message(502, serialise_program(model.program)),
        )
    )


def serialise_program(program: Program) -> bytes:
    """A `MILSpec.Program` message."""
    return b"".join(
        (
            _number(1, program.version),
            _map(2, program.functions, _function),
            _map(4, program.attributes, _value),
        )
    )


def _description(description: Description) -> bytes:
    return b"".join(
        (
            *(_message(1, _feature(feature)) for feature in description.inputs),
            *(_message(10, _feature(feature)) for feature in description.outputs),
            _message(100, _metadata(description.metadata)),
        )
    )


def _feature(feature: Feature) -> bytes:
    if feature.dtype is None or feature.flexible:
        raise ValueError(f"{feature.name}: only multi-arrays of fixed shape are written")
    packed = b"".join(map(_varint, feature.shape))
    array = _message(1, packed) + _number(2, ARRAY_TYPES[feature.dtype])
    kind = _message(5, array) + _number(1000, feature.optional)
    return _text(1, feature.name) + _text(2, feature.description) + _message(3, kind)


def _metadata(metadata: Metadata) -> bytes:
    return b"".join(
        (
            _text(1, metadata.description),
            _text(2, metadata.version),
            _text(3, metadata.author),
            _text(4, metadata.licence),
            *(
                _message(100, _message(1, key.encode()) + _message(2, text.encode()))
                for key, text in sorted(metadata.user_defined.items())
            ),
        )
    )


def _function(function: Function) -> bytes:
    return b"".join(
        (
            *(_message(1, _named_type(named)) for named in function.inputs),
            _text(2, function.opset),
            _map(3, function.blocks, _block),
            _map(4, function.attributes, _value),
        )
    )


def _block(block: Block) -> bytes:
    return b"".join(
        (
            *(_message(1, _named_type(named)) for named in block.inputs),
            *(_message(2, name.encode()) for name in block.outputs),
            *(_message(3, _operation(operation)) for operation in block.operations),
            _map(4, block.attributes, _value),
        )
    )


def _operation(operation: Operation) -> bytes:
    return b"".join(
        (
            _text(1, operation.type),
            _map(2, operation.inputs, _argument),
            *(_message(3, _named_type(named)) for named in operation.outputs),
            *(_message(4, _block(block)) for block in operation.blocks),
            _map(5, operation.attributes, _value),
        )
    )


def _argument(bindings: Iterable[str | Value]) -> bytes:
    return b"".join(
        _message(
            1, _message(1, item.encode()) if isinstance(item, str) else _message(2, _value(item))
        )
        for item in bindings
    )


def _named_type(named: NamedType) -> bytes:
    return _text(1, named.name) + _message(2, _type(named.type))


@functools.lru_cache(maxsize=4096)
def _type(kind: ValueType) -> bytes:
    match kind:
        case TensorType():
            dimensions = b"".join(_message(3, _dimension(size)) for size in kind.shape)
            rank = _number(2, len(kind.shape))
            return _message(1, _number(1, kind.dtype) + rank + dimensions)
        case ListType():
            return _message(
                2, _message(1, _type(kind.element)) + _message(2, _dimension(kind.length))
            )
        case TupleType():
            return _message(3, b"".join(_message(1, _type(item)) for item in kind.elements))
        case DictionaryType():
            return _message(4, _message(1, _type(kind.key)) + _message(2, _type(kind.value)))
        case StateType():
            return _message(5, _message(1, _type(kind.wrapped)))


def _dimension(size: int | None) -> bytes:
    return _message(2, b"") if size is None else _message(1, _number(1, size))


def _value(value: Value) -> bytes:
    match value.data:
        case Blob() as blob:
            data = _message(5, _text(1, blob.path) + _number(2, blob.offset))
        case Elements() as elements:
            data = _message(3, _message(1, _elements(value.type, elements)))
        case Sequence() as sequence:
            field = 3 if isinstance(value.type, ListType) else 2
            items = b"".join(_message(1, _value(item)) for item in sequence.items)
            data = _message(3, _message(field, items))
        case Pairs() as pairs:
            entries = b"".join(
                _message(1, _message(1, _value(key)) + _message(2, _value(item)))
                for key, item in pairs.items
            )
            data = _message(3, _message(4, entries))
    return _message(2, _type(value.type)) + data


def _elements(kind: ValueType, elements: Elements) -> bytes:
    """A `TensorValue`: its field says how elements of the type are stored."""
    values = elements.values
    if isinstance(values, bytes):
        return _message(7, _message(1, values) if values else b"")
    if not isinstance(kind, TensorType):
        raise ValueError(f"{kind}: elements belong to a tensor")  # noqa: TRY004  the value is wrong
    if kind.dtype is DataType.STRING:
        return _message(4, b"".join(_message(1, str(word).encode()) for word in values))
    field, encode = _STORED[kind.dtype]
    return _message(field, _message(1, encode(values)) if values else b"")


def _floats(values: _Scalars) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def _doubles(values: _Scalars) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def _integers(values: _Scalars) -> bytes:
    return b"".join(map(_varint, values))


_STORED: Mapping[DataType, tuple[int, Callable[[Any], bytes]]] = {
    DataType.FLOAT32: (1, _floats),
    DataType.INT16: (2, _integers),
    DataType.INT32: (2, _integers),
    DataType.UINT16: (2, _integers),
    DataType.BOOL: (3, _integers),
    DataType.INT64: (5, _integers),
    DataType.UINT64: (5, _integers),
    DataType.FLOAT64: (6, _doubles),
}


def _map(field: int, entries: Mapping[str, Any], encode: Callable[[Any], bytes]) -> bytes:
    return b"".join(
        _message(field, _message(1, key.encode()) + _message(2, encode(entries[key])))
        for key in sorted(entries)
    )


def _text(field: int, text: str) -> bytes:
    """A string field; an empty one is left out, as proto3 has it."""
    return _message(field, text.encode()) if text else b""


def _number(field: int, value: int) -> bytes:
    """An integer, enumeration or boolean field; 0 is left out, as proto3 has it."""
    return _varint(field << 3 | _VARINT) + _varint(value) if value else b""


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(body)) + body


@functools.lru_cache(maxsize=4096)
def _varint(value: int) -> bytes:
    value %= _WORD
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004  seven bits a byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

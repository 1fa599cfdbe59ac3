"""Writes a Core ML model specification.

Fields are written in the order of their numbers, maps are sorted by key, and default values are
left out, as in proto3. So the same values give the same bytes, with any protobuf library or none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from sdcoreml.convert.spec.description import ARRAY_TYPES
from sdcoreml.convert.spec.fields import MODEL
from sdcoreml.convert.spec.model import (
    Binding,
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
from sdcoreml.convert.spec.program import FIELDS
from sdcoreml.convert.spec.wire import Message, encoder

T = TypeVar("T")

_encode = encoder(MODEL)

_ARRAY_CODES: Mapping[DataType, int] = {dtype: code for code, dtype in ARRAY_TYPES.items()}


def serialise_model(model: Model) -> bytes:
    """Return the content of a `.mlmodel` file; ports must be multi-arrays of fixed shape."""
    message = {
        "specificationVersion": model.specification_version or None,
        "description": _encode(_description(model.description), "ModelDescription"),
        "isUpdatable": model.is_updatable or None,
        "mlProgram": _program(model.program),
    }
    return _encode(message, "Model")


def serialise_program(program: Program) -> bytes:
    """Serialise a program as a `MILSpec.Program` message."""
    return _encode(_program(program), "Program")


def _description(description: Description) -> Message:
    return {
        "input": map(_feature, description.inputs),
        "output": map(_feature, description.outputs),
        "metadata": _metadata(description.metadata),
    }


def _feature(feature: Feature) -> Message:
    if feature.dtype is None or feature.flexible:
        raise ValueError(f"{feature.name}: only multi-arrays of fixed shape are written")
    array = {"shape": feature.shape, "dataType": _ARRAY_CODES[feature.dtype]}
    return {
        "name": feature.name or None,
        "shortDescription": feature.description or None,
        "type": {"multiArray": array, "isOptional": feature.optional or None},
    }


def _metadata(metadata: Metadata) -> Message:
    return {
        "shortDescription": metadata.description or None,
        "versionString": metadata.version or None,
        "author": metadata.author or None,
        "license": metadata.licence or None,
        "userDefined": _entries(metadata.user_defined, str),
    }


def _program(program: Program) -> Message:
    return {
        "version": program.version or None,
        "functions": _entries(program.functions, _function),
        "attributes": _entries(program.attributes, _value),
    }


def _function(function: Function) -> Message:
    return {
        "inputs": map(_write_named_type, function.inputs),
        "opset": function.opset or None,
        "block_specializations": _entries(function.blocks, _block),
        "attributes": _entries(function.attributes, _value),
    }


def _block(block: Block) -> Message:
    return {
        "inputs": map(_write_named_type, block.inputs),
        "outputs": block.outputs,
        "operations": (_encode(_operation(item), "Operation") for item in block.operations),
        "attributes": _entries(block.attributes, _value),
    }


def _operation(operation: Operation) -> Message:
    return {
        "type": operation.type or None,
        "inputs": (_argument(name, bound) for name, bound in sorted(operation.inputs.items())),
        "outputs": map(_write_named_type, operation.outputs),
        "blocks": map(_block, operation.blocks),
        "attributes": _entries(operation.attributes, _value),
    }


def _argument(name: str, bindings: tuple[Binding, ...]) -> bytes:
    arguments = [
        {"name": item} if isinstance(item, str) else {"value": _value(item)} for item in bindings
    ]
    return _encode({"key": name, "value": {"arguments": arguments}}, "ArgumentEntry")


def _write_named_type(named: NamedType) -> Message:
    return {"name": named.name or None, "type": _type(named.type)}


@functools.lru_cache(maxsize=4096)
def _type(kind: ValueType) -> bytes:
    message: Message
    match kind:
        case TensorType(dtype=dtype, shape=shape):
            dimensions = map(_dimension, shape)
            tensor = {"dataType": dtype, "rank": len(shape) or None, "dimensions": dimensions}
            message = {"tensorType": tensor}
        case ListType(element=element, length=length):
            message = {"listType": {"type": _type(element), "length": _dimension(length)}}
        case TupleType(elements=elements):
            message = {"tupleType": {"types": map(_type, elements)}}
        case DictionaryType(key=key, value=value):
            message = {"dictionaryType": {"keyType": _type(key), "valueType": _type(value)}}
        case StateType(wrapped=wrapped):
            message = {"stateType": {"wrappedType": _type(wrapped)}}
    return _encode(message, "ValueType")


def _dimension(size: int | None) -> Message:
    return {"unknown": {}} if size is None else {"constant": {"size": size or None}}


def _value(value: Value) -> Message:
    match value.data:
        case Blob(path=path, offset=offset):
            blob = {"fileName": path or None, "offset": offset or None}
            return {"type": _type(value.type), "blobFileValue": blob}
        case Elements(values=values):
            data: Message = {"tensor": _elements(value.type, values)}
        case Sequence(items=items):
            kind = "list" if isinstance(value.type, ListType) else "tuple"
            data = {kind: {"values": map(_value, items)}}
        case Pairs(items=pairs):
            entries = ({"key": _value(key), "value": _value(item)} for key, item in pairs)
            data = {"dictionary": {"values": entries}}
    return {"type": _type(value.type), "immediateValue": data}


def _elements(kind: ValueType, values: bytes | tuple[object, ...]) -> Message:
    """Build a `TensorValue`, with the elements in the field for their type."""
    if isinstance(values, bytes):
        return {"bytes": {"values": values or None}}
    if not isinstance(kind, TensorType):
        raise ValueError(f"{kind}: elements belong to a tensor")  # noqa: TRY004  the value is wrong
    return {FIELDS[kind.dtype]: {"values": values}}


def _entries(entries: Mapping[str, T], build: Callable[[T], object]) -> Iterator[Message]:
    """Yield a `key` and `value` message for each entry of a map, sorted by key."""
    return ({"key": key, "value": build(entries[key])} for key in sorted(entries))

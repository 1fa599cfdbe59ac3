"""Reads the model description: a model's inputs, outputs and metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdcoreml.convert.spec.fields import MODEL
from sdcoreml.convert.spec.model import (
    DataType,
    Description,
    Feature,
    FunctionDescription,
    Metadata,
)
from sdcoreml.convert.spec.wire import Message, WireError, decoder

_decode = decoder(MODEL)

ARRAY_TYPES: Mapping[int, DataType] = {
    65552: DataType.FLOAT16,
    65568: DataType.FLOAT32,
    65600: DataType.FLOAT64,
    131080: DataType.INT8,
    131104: DataType.INT32,
}
"""Maps the numbers of `ArrayFeatureType.ArrayDataType` to element types.

A number is the width in bits plus 65536 for floats, 131072 for integers.
"""


def description(raw: bytes) -> Description:
    """Parse a serialised description.

    Raises:
        WireError: the bytes are not a well-formed `ModelDescription`.
    """
    fields = _decode(raw, "ModelDescription")
    return Description(
        inputs=_features(fields["input"]),
        outputs=_features(fields["output"]),
        states=_features(fields["state"]),
        functions=tuple(
            FunctionDescription(
                name=function.get("name", ""),
                inputs=_features(function["input"]),
                outputs=_features(function["output"]),
                states=_features(function["state"]),
            )
            for function in fields["functions"]
        ),
        default_function=fields.get("defaultFunctionName", ""),
        metadata=_metadata(fields.get("metadata", {"userDefined": []})),
        raw=raw,
    )


def _metadata(fields: Message) -> Metadata:
    return Metadata(
        description=fields.get("shortDescription", ""),
        version=fields.get("versionString", ""),
        author=fields.get("author", ""),
        licence=fields.get("license", ""),
        user_defined={
            entry.get("key", ""): entry.get("value", "") for entry in fields["userDefined"]
        },
    )


def _features(messages: Sequence[Message]) -> tuple[Feature, ...]:
    return tuple(_feature(message) for message in messages)


def _feature(message: Message) -> Feature:
    fields = dict(message.get("type", {}))
    optional = fields.pop("isOptional", False)
    name = message.get("name", "")
    if len(fields) != 1:
        raise WireError(f"feature {name!r} has {len(fields)} types")
    ((kind, body),) = fields.items()
    if kind == "state":
        body = body.get("arrayType", {"shape": []})
    array = body if kind in ("multiArray", "state") else {"shape": []}
    ranges = array.get("shapeRange", {"sizeRanges": []})["sizeRanges"]
    enumerated = len(array.get("enumeratedShapes", {"shapes": []})["shapes"])
    return Feature(
        name=name,
        dtype=_array_type(array, name) if array is body else None,
        shape=tuple(array["shape"]),
        kind=kind,
        optional=optional,
        flexible=bool(ranges or enumerated),
        description=message.get("shortDescription", ""),
        ranges=tuple((size.get("lowerBound", 0), size.get("upperBound", 0)) for size in ranges),
        enumerated=enumerated,
    )


def _array_type(array: Message, name: str) -> DataType:
    number = array.get("dataType", 0)
    if number not in ARRAY_TYPES:
        raise WireError(f"feature {name!r} is an array of unknown element type {number}")
    return ARRAY_TYPES[number]

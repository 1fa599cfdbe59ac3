"""Field numbers of Apple's published specification that ML Programs use.

Source: `Model.proto`, `FeatureTypes.proto` and `MIL.proto` of apple/coremltools (mlmodel/format),
version 9, which has all fields of version 7.2's with the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.convert.spec.wire import Field, FieldKind, Schema


def _int32(name: str) -> Field:
    return Field(name=name, kind=FieldKind.INT32)


def _int64(name: str) -> Field:
    return Field(name=name, kind=FieldKind.INT64)


def _uint64(name: str) -> Field:
    return Field(name=name, kind=FieldKind.UINT64)


def _bool(name: str) -> Field:
    return Field(name=name, kind=FieldKind.BOOL)


def _text(name: str) -> Field:
    return Field(name=name, kind=FieldKind.STRING)


def _bytes(name: str) -> Field:
    return Field(name=name, kind=FieldKind.BYTES)


def _one(name: str, message: str) -> Field:
    return Field(name=name, kind=FieldKind.MESSAGE, message=message)


def _many(name: str, message: str) -> Field:
    return Field(name=name, kind=FieldKind.MESSAGE, message=message, repeated=True)


def _parts(name: str) -> Field:
    """A repeated message whose parts stay bytes, to be decoded one by one."""
    return Field(name=name, kind=FieldKind.BYTES, repeated=True)


def _numbers(kind: FieldKind) -> Mapping[int, Field]:
    return {1: Field(name="values", kind=kind, repeated=True)}


MODEL: Schema = {
    "Model": {
        1: _int32("specificationVersion"),
        2: _bytes("description"),
        10: _bool("isUpdatable"),
        502: _one("mlProgram", "Program"),
    },
    "ModelDescription": {
        1: _many("input", "FeatureDescription"),
        10: _many("output", "FeatureDescription"),
        13: _many("state", "FeatureDescription"),
        20: _many("functions", "FunctionDescription"),
        21: _text("defaultFunctionName"),
        100: _one("metadata", "Metadata"),
    },
    "FunctionDescription": {
        1: _text("name"),
        2: _many("input", "FeatureDescription"),
        3: _many("output", "FeatureDescription"),
        6: _many("state", "FeatureDescription"),
    },
    "Metadata": {
        1: _text("shortDescription"),
        2: _text("versionString"),
        3: _text("author"),
        4: _text("license"),
        100: _many("userDefined", "StringEntry"),
    },
    "StringEntry": {1: _text("key"), 2: _text("value")},
    # FeatureTypes.proto
    "FeatureDescription": {
        1: _text("name"),
        2: _text("shortDescription"),
        3: _one("type", "FeatureType"),
    },
    "FeatureType": {
        1: _bytes("int64"),
        2: _bytes("double"),
        3: _bytes("string"),
        4: _bytes("image"),
        5: _one("multiArray", "ArrayFeatureType"),
        6: _bytes("dictionary"),
        7: _bytes("sequence"),
        8: _one("state", "StateFeatureType"),
        1000: _bool("isOptional"),
    },
    "StateFeatureType": {1: _one("arrayType", "ArrayFeatureType")},
    "ArrayFeatureType": {
        1: Field(name="shape", kind=FieldKind.INT64, repeated=True),
        2: _int32("dataType"),
        21: _one("enumeratedShapes", "EnumeratedShapes"),
        31: _one("shapeRange", "ShapeRange"),
    },
    "EnumeratedShapes": {1: Field(name="shapes", kind=FieldKind.BYTES, repeated=True)},
    "ShapeRange": {1: _many("sizeRanges", "SizeRange")},
    "SizeRange": {1: _uint64("lowerBound"), 2: _int64("upperBound")},
    # MIL.proto
    "Program": {
        1: _int64("version"),
        2: _many("functions", "FunctionEntry"),
        4: _many("attributes", "ValueEntry"),
    },
    "FunctionEntry": {1: _text("key"), 2: _one("value", "Function")},
    "ValueEntry": {1: _text("key"), 2: _one("value", "Value")},
    "BlockEntry": {1: _text("key"), 2: _one("value", "Block")},
    "ArgumentEntry": {1: _text("key"), 2: _one("value", "Argument")},
    "Function": {
        1: _many("inputs", "NamedValueType"),
        2: _text("opset"),
        3: _many("block_specializations", "BlockEntry"),
        4: _many("attributes", "ValueEntry"),
    },
    "Block": {
        1: _many("inputs", "NamedValueType"),
        2: Field(name="outputs", kind=FieldKind.STRING, repeated=True),
        3: _parts("operations"),  # decoded one by one: as messages they take thirty times the room
        4: _many("attributes", "ValueEntry"),
    },
    "Argument": {1: _many("arguments", "Binding")},
    "Binding": {1: _text("name"), 2: _one("value", "Value")},
    "Operation": {
        1: _text("type"),
        2: _parts("inputs"),  # of type ArgumentEntry; the same few occur thousands of times
        3: _many("outputs", "NamedValueType"),
        4: _many("blocks", "Block"),
        5: _many("attributes", "ValueEntry"),
    },
    # A program repeats a few types thousands of times, so types stay bytes and are decoded once.
    "NamedValueType": {1: _text("name"), 2: _bytes("type")},
    "Value": {
        2: _bytes("type"),
        3: _one("immediateValue", "ImmediateValue"),
        5: _one("blobFileValue", "BlobFileValue"),
    },
    "ImmediateValue": {
        1: _one("tensor", "TensorValue"),
        2: _one("tuple", "ListValue"),
        3: _one("list", "ListValue"),
        4: _one("dictionary", "DictionaryValue"),
    },
    "BlobFileValue": {1: _text("fileName"), 2: _uint64("offset")},
    "ListValue": {1: _many("values", "Value")},
    "DictionaryValue": {1: _many("values", "KeyValuePair")},
    "KeyValuePair": {1: _one("key", "Value"), 2: _one("value", "Value")},
    "TensorValue": {
        1: _one("floats", "Floats"),
        2: _one("ints", "Ints"),
        3: _one("bools", "Bools"),
        4: _one("strings", "Strings"),
        5: _one("longInts", "LongInts"),
        6: _one("doubles", "Doubles"),
        7: _one("bytes", "Bytes"),
    },
    "Floats": _numbers(FieldKind.FLOAT),
    "Ints": _numbers(FieldKind.INT32),
    "Bools": _numbers(FieldKind.BOOL),
    "Strings": _numbers(FieldKind.STRING),
    "LongInts": _numbers(FieldKind.INT64),
    "Doubles": _numbers(FieldKind.DOUBLE),
    "Bytes": {1: _bytes("values")},
    "ValueType": {
        1: _one("tensorType", "TensorType"),
        2: _one("listType", "ListType"),
        3: _one("tupleType", "TupleType"),
        4: _one("dictionaryType", "DictionaryType"),
        5: _one("stateType", "StateType"),
    },
    "TensorType": {
        1: _int32("dataType"),
        2: _int64("rank"),
        3: _many("dimensions", "Dimension"),
        4: _many("attributes", "ValueEntry"),
    },
    "Dimension": {1: _one("constant", "ConstantDimension"), 2: _one("unknown", "UnknownDimension")},
    "UnknownDimension": {1: _bool("variadic")},
    "ConstantDimension": {1: _uint64("size")},
    "ListType": {1: _bytes("type"), 2: _one("length", "Dimension")},
    "TupleType": {1: Field(name="types", kind=FieldKind.BYTES, repeated=True)},
    "DictionaryType": {1: _bytes("keyType"), 2: _bytes("valueType")},
    "StateType": {1: _bytes("wrappedType")},
}

KINDS: Mapping[int, str] = {
    200: "a pipeline classifier",
    201: "a pipeline regressor",
    202: "a pipeline",
    303: "a neural network regressor",
    403: "a neural network classifier",
    500: "a neural network",
    502: "an ML Program",
    555: "a custom model",
    556: "a linked model",
    3000: "a serialized model",
}
"""Maps field numbers of `Model`, all within `MEMBERS`, to the kinds of model that they hold."""

MEMBERS = range(200, 3001)

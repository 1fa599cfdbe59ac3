"""Writes `metadata.json`, from which apps learn about a compiled model.

The content is what Apple's compiler writes. It writes keys in the random order of a hash table, so
no reader can depend on their order; here, the order is fixed. Every value in a schema is a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from sdcoreml.convert.compile.histogram import histogram
from sdcoreml.convert.compile.layout import pretty
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Description,
    Feature,
    Function,
    FunctionDescription,
    Model,
    Operation,
    TensorType,
    Value,
)

Json: TypeAlias = dict[str, object]

PRECISIONS: Mapping[DataType, str] = {
    DataType.FLOAT16: "Float16",
    DataType.FLOAT32: "Float32",
    DataType.FLOAT64: "Double",
    DataType.INT8: "Int8",
    DataType.INT16: "Int16",
    DataType.INT32: "Int32",
    DataType.UINT8: "UInt8",
    DataType.UINT16: "UInt16",
    DataType.UINT32: "UInt32",
}

_SYSTEMS = ("macOS", "iOS", "macCatalyst", "tvOS", "watchOS", "visionOS")
AVAILABILITY: Mapping[int, tuple[str, ...]] = {
    6: ("12.0", "15.0", "15.0", "15.0", "8.0", "1.0"),
    7: ("13.0", "16.0", "16.0", "16.0", "9.0", "1.0"),
    8: ("14.0", "17.0", "17.0", "17.0", "10.0", "1.0"),
    9: ("15.0", "18.0", "18.0", "18.0", "11.0", "2.0"),
}
"""The oldest systems for each specification version, in the order of `_SYSTEMS`."""

MAIN = "main"

_TIMES = " \u00d7 "


def metadata(model: Model, stem: str) -> Json:
    """Build the one object in `metadata.json`; `stem` is the package's name without its suffix."""
    described, program = model.description, model.program
    about, functions = described.metadata, described.functions
    default = described.default_function if functions else MAIN
    front: Description | FunctionDescription = next(
        (item for item in functions if item.name == default), described
    )
    several = [
        {"name": item.name, **_interface(program.functions[item.name], item)} for item in functions
    ]
    stored = {name for function in program.functions.values() for name in _list_storage(function)}
    return _without_empty(
        {
            "metadataOutputVersion": "3.0",
            "shortDescription": about.description,
            "author": about.author,
            "license": about.licence,
            "version": about.version,
            "specificationVersion": model.specification_version,
            "storagePrecision": _join(stored),
            **_interface(program.functions[default], front),
            "isUpdatable": str(int(model.is_updatable)),
            "modelParameters": [],
            "modelType": {"name": "MLModelType_mlProgram"},
            "availability": dict(
                zip(_SYSTEMS, AVAILABILITY[model.specification_version], strict=True)
            ),
            "userDefinedMetadata": dict(sorted(about.user_defined.items())),
            "defaultFunctionName": default if functions else "",
            **({"functions": several} if several else {}),
            "generatedClassName": class_name(stem),
            "method": "predict",
        }
    )


def class_name(stem: str) -> str:
    """Return the name of the Swift class that Xcode would generate for a package of this name."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", stem)
    return f"_{name}" if name[:1].isdigit() else name


def _interface(function: Function, description: Description | FunctionDescription) -> Json:
    return {
        "computePrecision": _join(_list_precisions(function)),
        "mlProgramOperationTypeHistogram": histogram(function),
        "inputSchema": [schema(feature) for feature in description.inputs],
        "outputSchema": [schema(feature) for feature in description.outputs],
        "stateSchema": [schema(feature) for feature in description.states],
    }


def schema(feature: Feature) -> Mapping[str, str]:
    """Build one entry of a schema; every value is a string."""
    kind = "State" if feature.kind == "state" else "MultiArray"
    dtype = PRECISIONS[feature.dtype] if feature.dtype is not None else feature.kind
    sizes = f" {_TIMES.join(map(str, feature.shape))}" if feature.shape else ""
    return {
        "name": feature.name,
        "type": kind,
        "dataType": dtype,
        "shape": str(list(feature.shape)),
        "formattedType": f"{kind} ({dtype}{sizes})",
        "isOptional": str(int(feature.optional)),
        "hasShapeFlexibility": str(int(feature.flexible)),
        **(_flexibility(feature.ranges) if feature.ranges else {}),
        "shortDescription": feature.description,
    }


def _flexibility(ranges: tuple[tuple[int, int], ...]) -> Mapping[str, str]:
    sizes = (
        str(lower) if lower == upper else f"{lower}...{upper if upper >= 0 else ''}"
        for lower, upper in ranges
    )
    return {
        "shapeFlexibility": _TIMES.join(sizes),
        "shapeRange": str([list(bounds) for bounds in ranges]),
    }


def _list_precisions(function: Function) -> Iterable[str]:
    """List the precisions of everything that a function computes, including constants."""
    kinds = {output.type for operation in function.block.operations for output in operation.outputs}
    dtypes = {kind.dtype for kind in kinds if isinstance(kind, TensorType)}
    return {PRECISIONS[dtype] for dtype in dtypes if dtype in PRECISIONS}


def _list_storage(function: Function) -> Iterator[str]:
    """List Apple's wording for how each weight of a function is stored.

    The wording for iOS 18's palettes, including the type of their codes, is a guess: no package
    that Apple's compiler was seen to compile has such a palette.
    """
    for operation in function.block.operations:
        values = {**operation.attributes, **_immediate(operation)}
        match operation.type, values:
            case "constexpr_lut_to_dense", {"lut": Value(type=TensorType(shape=(int() as n,)))}:
                yield _palette(n)
            case "constexpr_lut_to_dense", {
                "lut": Value(type=TensorType(shape=(*_, int() as n, int())), data=table),
                "indices": Value(type=TensorType(dtype=codes)),
            }:
                yield from (_palette(n), _precision(codes))
                yield from [_precision(DataType.FLOAT16)] * isinstance(table, Blob)
            case "constexpr_affine_dequantize", {
                "quantized_data": Value(type=TensorType() as kind)
            }:
                yield _precision(kind.dtype)
            case "constexpr_sparse_to_dense", _:
                yield "Sparse"
            case _:
                yield from (
                    _precision(value.type.dtype)
                    for value in values.values()
                    if isinstance(value.data, Blob) and isinstance(value.type, TensorType)
                )


def _immediate(operation: Operation) -> Mapping[str, Value]:
    """Return the arguments that are immediate constants."""
    return {
        name: binding
        for name, bindings in operation.inputs.items()
        for binding in bindings
        if isinstance(binding, Value)
    }


def _palette(entries: int) -> str:
    return f"Palettized ({entries.bit_length() - 1} bits)"


def _precision(dtype: DataType) -> str:
    """Return Apple's name for an element type; a guess for types never seen in Apple's files."""
    return PRECISIONS.get(dtype, dtype.name.capitalize().replace("Ui", "UI"))


def _join(names: Iterable[str]) -> str:
    """Join the names: one as it is, several as `Mixed (…)`, none as the empty string."""
    found = sorted(set(names))
    return f"Mixed ({', '.join(found)})" if len(found) > 1 else "".join(found)


def _without_empty(entries: Json) -> Json:
    """Drop empty texts, as Apple's compiler does."""
    return {key: value for key, value in entries.items() if value != ""}


def write_metadata(model: Model, stem: str) -> str:
    """Return the text of `metadata.json`, without a final newline."""
    return pretty([metadata(model, stem)])

"""Adds to a program what Apple's compiler adds; the result is written to `model.mil`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sdcoreml.convert.spec.model import (
    DataType,
    DictionaryType,
    Elements,
    Feature,
    Function,
    ListType,
    Model,
    Pairs,
    Program,
    Sequence,
    TensorType,
    TupleType,
    Value,
    ValueType,
)

COMPILER: Mapping[str, str] = {"coremlc-component-MIL": "3500.14.1", "coremlc-version": "3500.32.1"}
"""The versions of Apple's compiler that made the reference pairs (packages with compiled models).

Apple's loader also accepts other strings; whether it reads them at all is unknown.
"""

BUILD_INFO = "buildInfo"
FLEXIBLE = "FlexibleShapeInformation"

_STRING = TensorType(dtype=DataType.STRING)
_SHAPE = TensorType(dtype=DataType.INT32, shape=(None,))
_RANGE = TensorType(dtype=DataType.INT32, shape=(2,))
_RANGES = ListType(element=_RANGE)


def lower(model: Model) -> Program:
    """Return the program of a model as `model.mil` contains it.

    In each function, inputs are sorted by name, only the block of the function's opset is kept, and
    an attribute describes inputs of flexible shape. `buildInfo` gets the compiler's versions.
    """
    program = model.program
    return Program(
        version=program.version,
        functions={
            name: _function(function, _inputs(model, name))
            for name, function in program.functions.items()
        },
        attributes={**program.attributes, BUILD_INFO: _build_info(program)},
    )


def _inputs(model: Model, function: str) -> tuple[Feature, ...]:
    """Return the inputs of a function, as the model's description lists them."""
    described = {item.name: item.inputs for item in model.description.functions}
    return described.get(function, model.description.inputs)


def _function(function: Function, inputs: tuple[Feature, ...]) -> Function:
    flexible = sorted((feature for feature in inputs if feature.ranges), key=lambda item: item.name)
    added = {FLEXIBLE: _flexible(flexible)} if flexible else {}
    return replace(
        function,
        inputs=tuple(sorted(function.inputs, key=lambda named: named.name)),
        blocks={function.opset: function.block},
        attributes={**function.attributes, **added},
    )


def build_info(program: Program) -> Mapping[str, str]:
    """Return a program's build information, such as the versions of tools."""
    value = program.attributes.get(BUILD_INFO)
    if value is None or not isinstance(value.data, Pairs):
        return {}
    return {_string(key): _string(item) for key, item in value.data.items}


def _build_info(program: Program) -> Value:
    """Merge the program's own build information with the compiler's, sorted by key."""
    entries = {**COMPILER, **build_info(program)}
    return Value(
        type=DictionaryType(key=_STRING, value=_STRING),
        data=Pairs(items=tuple((_text(key), _text(entries[key])) for key in sorted(entries))),
    )


def _flexible(features: list[Feature]) -> Value:
    """Build the attribute with the default shapes and ranges of inputs with flexible shapes."""
    shapes = [(feature.name, _value(_SHAPE, feature.shape)) for feature in features]
    ranges = [
        (
            feature.name,
            Value(
                type=_RANGES,
                data=Sequence(items=tuple(_value(_RANGE, bounds) for bounds in feature.ranges)),
            ),
        )
        for feature in features
    ]
    return _tuple(
        _tuple(_text("DefaultShapes"), _dictionary(shapes, _SHAPE)),
        _tuple(_text("RangeDims"), _dictionary(ranges, _RANGES)),
    )


def _tuple(*items: Value) -> Value:
    kind = TupleType(elements=tuple(item.type for item in items))
    return Value(type=kind, data=Sequence(items=items))


def _dictionary(entries: Iterable[tuple[str, Value]], kind: ValueType) -> Value:
    pairs = tuple((_text(name), value) for name, value in entries)
    return Value(type=DictionaryType(key=_STRING, value=kind), data=Pairs(items=pairs))


def _value(kind: TensorType, numbers: tuple[int, ...]) -> Value:
    return Value(type=kind, data=Elements(values=numbers))


def _text(text: str) -> Value:
    return Value(type=_STRING, data=Elements(values=(text,)))


def _string(value: Value) -> str:
    return str(value.data.values[0]) if isinstance(value.data, Elements) else ""

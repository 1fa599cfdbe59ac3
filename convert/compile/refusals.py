"""Refuses damaged models, and those with parts that this compiler cannot translate.

No known model from Apple's compiler shows how these parts are written, and a wrong guess would fail
only when a user's Mac loads the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdcoreml.convert.compile.literals import LiteralError, bracket, quote, spell
from sdcoreml.convert.compile.lower import BUILD_INFO
from sdcoreml.convert.compile.metadata import MAIN
from sdcoreml.convert.compile.names import DTYPES, OPSETS, TEXT_VERSIONS
from sdcoreml.convert.compile.words import NAME
from sdcoreml.convert.spec.model import (
    Blob,
    Elements,
    Feature,
    Function,
    Model,
    Operation,
    Pairs,
    Sequence,
    TensorType,
    Value,
)
from sdcoreml.convert.spec.reader import AGAIN
from sdcoreml.ground.errors import Fault, UnsupportedError

WITH_XCODE = "compile it on a Mac with Xcode (`sdcoreml compile --with-xcode PACKAGE -o FOLDER`)"


def refusals(model: Model, where: Path) -> tuple[Fault, ...]:
    """Return a fault for each part of the model that cannot be compiled; `where` is its file.

    Damage, which no compiler accepts, comes first.
    """
    damaged = tuple(Fault(where=where, what=what, remedy=AGAIN) for what in _damage(model))
    return damaged + tuple(
        Fault(where=where, what=what, remedy=WITH_XCODE, error=UnsupportedError)
        for what in _reasons(model)
    )


def _damage(model: Model) -> Iterator[str]:
    described, functions = model.description, model.program.functions
    listed = [function.name for function in described.functions] or [MAIN]
    if sorted(listed) != sorted(functions):
        yield f"the description lists {sorted(listed)}, but the functions are {sorted(functions)}"
    if described.functions and described.default_function not in functions:
        yield f"the default function {described.default_function!r} is not in the program"
    for name, function in sorted(functions.items()):
        yield from (f"damaged: function {name!r}: {what}" for what in _unknown_names(function))


def _unknown_names(function: Function) -> Iterator[str]:
    made = {named.name for named in function.inputs}
    for operation in function.block.operations:
        for name in sorted({*operation.reads} - made):
            label = f"{operation.type} {_label(operation)}"
            yield f"operation {label} reads {name!r}, which no earlier one computes"
        made.update(output.name for output in operation.outputs)
    for name in sorted({*function.block.outputs} - made):
        yield f"no operation computes its output {name!r}"


def _reasons(model: Model) -> Iterator[str]:
    version = model.specification_version
    if version not in TEXT_VERSIONS:
        yield f"specification version {version} cannot be compiled without Xcode, only 6 to 9"
    if model.is_updatable:
        yield "the model is updatable"
    yield from _description(model)
    for name in model.program.attributes.keys() - {BUILD_INFO}:
        yield f"the program has the attribute {name!r}"
    for name, function in sorted(model.program.functions.items()):
        yield from (f"function {name!r}: {reason}" for reason in _function(function))


def _description(model: Model) -> Iterator[str]:
    described = model.description
    features = [*described.inputs, *described.outputs, *described.states]
    for function in described.functions:
        features += [*function.inputs, *function.outputs, *function.states]
    for feature in features:
        yield from _feature(feature)


def _feature(feature: Feature) -> Iterator[str]:
    if feature.dtype is None:
        yield f"feature {feature.name!r} is of kind {feature.kind}, not a multi-array"
    if feature.enumerated:
        yield f"feature {feature.name!r} has {feature.enumerated} enumerated shapes"


def _function(function: Function) -> Iterator[str]:
    if function.opset not in OPSETS:
        yield f"its opset {function.opset!r} is unknown"
    if function.attributes or function.block.attributes or function.block.inputs:
        yield "it has attributes or block inputs"
    names = {named.name for named in function.inputs} | {*function.block.outputs}
    for operation in function.block.operations:
        yield from _operation(operation)
        names.update(output.name for output in operation.outputs)
    for name in sorted(names):
        if not NAME.fullmatch(name):
            yield f"the name {name!r} is not an identifier"


def _operation(operation: Operation) -> Iterator[str]:
    label = _label(operation)
    if operation.blocks:
        yield f"operation {operation.type} {label} has nested blocks"
    for constant in operation.constants:
        reason = _constant(constant)
        if reason:
            yield f"operation {operation.type} {label}: {reason}"


def _label(operation: Operation) -> str:
    return operation.outputs[0].name if operation.outputs else "without results"


def _constant(value: Value) -> str:
    """Explain why a constant cannot be written; empty if it can."""
    try:
        match value.data, value.type:
            case Elements() as elements, TensorType(dtype=dtype, shape=shape):
                spelt = spell(elements, dtype)
                bracket(spelt, shape)
                return "a constant is NaN" if "nan" in spelt else ""
            case Blob(path=path), TensorType(dtype=dtype):
                quote(path)
                return "" if dtype in DTYPES else f"its element type {dtype.name} is unknown"
            case Pairs(items=pairs), _:
                inner = [item for pair in pairs for item in pair]
            case Sequence(items=items), _:
                inner = [*items]
            case _:
                return "a constant's data does not match its type"
    except LiteralError as error:
        return str(error)
    return next(filter(None, map(_constant, inner)), "")

"""Translates a drawn graph into values of the Core ML specification."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sdcoreml.convert.programs.graph import Graph, Step
from sdcoreml.convert.programs.inference import Plain, Var
from sdcoreml.convert.programs.payload import (
    SMALLEST_RECORD,
    ComputedConstant,
    DescribedTensors,
    Payload,
    RecordSource,
    Weight,
    lay_out,
)
from sdcoreml.convert.spec.blobs import WEIGHT_FILE
from sdcoreml.convert.spec.model import (
    Blob,
    Block,
    DataType,
    Elements,
    Function,
    NamedType,
    Operation,
    Program,
    TensorType,
    Value,
)

_AS_BYTES = frozenset({DataType.FLOAT16})


def export(
    graph: Graph, tensors: DescribedTensors, stored: Mapping[str, str]
) -> tuple[Program, tuple[Payload, ...]]:
    """Translate a function into a program and the records of its weight file.

    The weight file starts with weights in the order of their use, followed by computed constants,
    so that programs with the same weights have nearly the same file. Weights too small for a record
    are read here. `stored` maps each declared tensor to its name in the checkpoint.
    """
    sources = {name: _find_stored(source, stored) for name, source in graph.sources.items()}
    constants = {step.name: step.results[0] for step in graph.steps if step.type == "const"}
    payloads = lay_out(
        (name, _kind(constants[name]), source)
        for wanted in (False, True)
        for name, source in sources.items()
        if isinstance(source, ComputedConstant) is wanted and not _is_small(constants[name])
    )
    offsets = {payload.name: payload.offset for payload in payloads}

    def content(constant: Var) -> Value:
        kind, name = _kind(constant), constant.name
        if name in offsets:
            return Value(type=kind, data=Blob(path=WEIGHT_FILE, offset=offsets[name]))
        value = constant.value
        if name in sources:
            (value,) = sources[name].blocks(tensors, kind.dtype)
        return Value(type=kind, data=Elements(values=immediate(value, kind.dtype)))

    operations = tuple(
        _constant(step, content(step.results[0])) if step.type == "const" else _operation(step)
        for step in graph.steps
    )
    opset = graph.options.target.opset
    block = Block(operations=operations, outputs=tuple(graph.outputs))
    inputs = tuple(NamedType(name=name, type=_kind(var)) for name, var in graph.inputs.items())
    function = Function(inputs=inputs, opset=opset, blocks={opset: block})
    return Program(version=1, functions={"main": function}), payloads


def _find_stored(source: RecordSource, stored: Mapping[str, str]) -> RecordSource:
    return Weight(tensor=stored[source.tensor]) if isinstance(source, Weight) else source


def _kind(var: Var) -> TensorType:
    return TensorType(dtype=var.dtype, shape=var.shape)


def _is_small(constant: Var) -> bool:
    return math.prod(constant.shape) < SMALLEST_RECORD


def immediate(value: Plain, dtype: DataType) -> Plain:
    """Convert a small constant to its stored form: bytes for float16, otherwise a tuple."""
    import numpy as np

    if dtype in _AS_BYTES:
        return np.asarray(value, "<f2").tobytes()
    flat = value if isinstance(value, str) else np.asarray(value).reshape(-1).tolist()
    return (flat,) if isinstance(flat, str) else tuple(flat)


def _constant(step: Step, value: Value) -> Operation:
    return Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name=step.name, type=value.type),),
        attributes={"name": text(step.name), "val": value},
    )


def _operation(step: Step) -> Operation:
    return Operation(
        type=step.type,
        inputs={name: _names(bound) for name, bound in step.arguments.items()},
        outputs=tuple(NamedType(name=var.name, type=_kind(var)) for var in step.results),
        attributes={"name": text(step.name)},
    )


def _names(bound: Var | list[Var]) -> tuple[str, ...]:
    return (bound.name,) if isinstance(bound, Var) else tuple(var.name for var in bound)


def text(word: str) -> Value:
    """Return a string as an attribute's value."""
    return Value(type=TensorType(dtype=DataType.STRING), data=Elements(values=(word,)))

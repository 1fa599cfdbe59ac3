"""Translates the MIL builder's function into values of the Core ML specification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sdcoreml.convert.programs.graph import Graph
from sdcoreml.convert.programs.payload import (
    SMALLEST_RECORD,
    ComputedConstant,
    DescribedTensors,
    Payload,
    RecordSource,
    Weight,
    lay_out,
)
from sdcoreml.convert.programs.toolkit import MilOp, Plain, toolkit
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
    kinds = _Kinds()
    sources = {name: _find_stored(source, stored) for name, source in graph.sources.items()}
    constants = {op.name: kinds(op.outputs[0]) for op in graph.function.operations if _is_const(op)}
    payloads = lay_out(
        (name, constants[name], source)
        for wanted in (False, True)
        for name, source in sources.items()
        if isinstance(source, ComputedConstant) is wanted and not _is_small(constants[name])
    )
    offsets = {payload.name: payload.offset for payload in payloads}

    def content(op: MilOp) -> Value:
        kind = constants[op.name]
        if op.name in offsets:
            return Value(type=kind, data=Blob(path=WEIGHT_FILE, offset=offsets[op.name]))
        value = op.outputs[0].val
        if op.name in sources:
            (value,) = sources[op.name].blocks(tensors, kind.dtype)
        return Value(type=kind, data=Elements(values=immediate(value, kind.dtype)))

    operations = tuple(
        _constant(op, constants[op.name], content(op)) if _is_const(op) else _operation(op, kinds)
        for op in graph.function.operations
    )
    opset = graph.options.target.opset
    block = Block(operations=operations, outputs=tuple(graph.outputs))
    inputs = tuple(NamedType(name=name, type=kinds(var)) for name, var in graph.inputs.items())
    function = Function(inputs=inputs, opset=opset, blocks={opset: block})
    return Program(version=1, functions={"main": function}), payloads


def _find_stored(source: RecordSource, stored: Mapping[str, str]) -> RecordSource:
    return Weight(tensor=stored[source.tensor]) if isinstance(source, Weight) else source


class _Kinds:
    """Translates types of the MIL builder into those of the specification."""

    def __init__(self) -> None:
        self._dtypes = {kind: dtype for dtype, kind in toolkit().dtypes.items()}

    def __call__(self, var: MilOp) -> TensorType:
        return TensorType(dtype=self._dtypes[var.dtype], shape=tuple(int(n) for n in var.shape))


def _is_const(op: MilOp) -> bool:
    return bool(op.op_type == "const")


def _is_small(kind: TensorType) -> bool:
    return kind.count < SMALLEST_RECORD


def immediate(value: Plain, dtype: DataType) -> Plain:
    """Convert a small constant to its stored form: bytes for float16, otherwise a tuple."""
    import numpy as np

    if dtype in _AS_BYTES:
        return np.asarray(value, "<f2").tobytes()
    flat = value if isinstance(value, str) else np.asarray(value).reshape(-1).tolist()
    return (flat,) if isinstance(flat, str) else tuple(flat)


def _constant(op: MilOp, kind: TensorType, value: Value) -> Operation:
    return Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name=op.outputs[0].name, type=kind),),
        attributes={"name": text(op.name), "val": value},
    )


def _operation(op: MilOp, kinds: _Kinds) -> Operation:
    return Operation(
        type=op.op_type,
        inputs={name: tuple(_names(value)) for name, value in op.inputs.items() if name[0] != "_"},
        outputs=tuple(NamedType(name=var.name, type=kinds(var)) for var in op.outputs),
        attributes={"name": text(op.name)},
    )


def _names(value: MilOp) -> Iterator[str]:
    for var in value if isinstance(value, (list, tuple)) else (value,):
        yield var.name


def text(word: str) -> Value:
    """Return a string as an attribute's value."""
    return Value(type=TensorType(dtype=DataType.STRING), data=Elements(values=(word,)))

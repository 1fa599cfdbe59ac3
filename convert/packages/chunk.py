"""Splits a program into two halves with about equal weights, for systems with a size limit.

Apps pass the program's inputs to the first half, and both these and the first half's outputs to the
second. Values that pass from one half to the other are float16 inside and float32 outside. The
split works on the specification, after compression. Both halves keep the description and metadata.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from sdcoreml.convert.packages.cut import WORDS, find_cut, offsets, steps_of
from sdcoreml.convert.programs.export import text
from sdcoreml.convert.programs.payload import DrawnProgram, Payload, Weight, lay_out
from sdcoreml.convert.spec.blobs import WEIGHT_FILE
from sdcoreml.convert.spec.model import (
    Binding,
    Blob,
    DataType,
    Feature,
    NamedType,
    Operation,
    TensorType,
    Value,
    free_name,
)


def chunk(built: DrawnProgram) -> tuple[DrawnProgram, DrawnProgram]:
    """Split a program into two halves, cut where the fewest elements cross.

    Raises:
        UnsupportedError: the program has several outputs, or no place to cut near the middle of its
            weights.
    """
    function = built.model.program.main
    cut = find_cut(
        built.component, function, {payload.offset: payload.nbytes for payload in built.payloads}
    )
    steps = steps_of(function)
    taken = function.types
    ports = tuple(_port(value, taken) for value in cut.carried)
    words = {dtype: _word(free_name(f"type_{word}", taken), word) for dtype, word in WORDS.items()}
    pairs = tuple(zip(cut.carried, ports, strict=True))
    leaving = [_cast(value, port, words) for value, port in pairs]
    arriving = [_cast(port, value, words) for value, port in pairs]
    constants = (*(item for item in function.block.operations if item.is_constant), *words.values())
    features = tuple(_feature(port) for port in ports)
    described = built.model.description
    first, second = steps[: cut.place], steps[cut.place :]
    return (
        _half(built, 1, constants, [*first, *leaving], (described.inputs, features)),
        _half(
            built,
            2,
            constants,
            [*arriving, *second],
            ((*described.inputs, *features), described.outputs),
        ),
    )


def _half(
    built: DrawnProgram,
    number: int,
    constants: Iterable[Operation],
    steps: Sequence[Operation],
    ports: tuple[Sequence[Feature], Sequence[Feature]],
) -> DrawnProgram:
    """Build one half: its steps, the constants and inputs that they use, and its weights."""
    used = {name for step in steps for name in step.reads}
    kept = [item for item in constants if item.outputs[0].name in used]
    records = {offset for item in kept for offset in offsets(item)}
    parts = [payload for payload in built.payloads if payload.offset in records]
    payloads = lay_out((part.name, part.type, part.source) for part in parts)
    moved = {old.offset: new.offset for old, new in zip(parts, payloads, strict=True)}
    inputs = tuple(port for port in ports[0] if port.name in used)
    function = built.model.program.main
    block = replace(
        function.block,
        operations=(*(_move_records(item, moved) for item in kept), *steps),
        outputs=tuple(port.name for port in ports[1]),
    )
    function = replace(
        function,
        inputs=tuple(
            NamedType(name=port.name, type=TensorType(dtype=_dtype(port), shape=port.shape))
            for port in inputs
        ),
        blocks={function.opset: block},
    )
    metadata = built.model.description.metadata
    metadata = replace(
        metadata, user_defined={**metadata.user_defined, "sdcoreml.chunk": f"{number} of 2"}
    )
    description = replace(
        built.model.description, inputs=inputs, outputs=tuple(ports[1]), metadata=metadata
    )
    program = replace(built.model.program, functions={"main": function})
    return DrawnProgram(
        component=f"{built.component}_chunk{number}",
        model=replace(built.model, description=description, program=program),
        payloads=payloads,
        parameters=sum(_parameters(item, payloads) for item in kept),
    )


def _parameters(item: Operation, payloads: Sequence[Payload]) -> int:
    weights = {payload.name for payload in payloads if isinstance(payload.source, Weight)}
    output = item.outputs[0]
    return output.tensor.count if item.type != "const" or output.name in weights else 0


def _move_records(item: Operation, moved: Mapping[int, int]) -> Operation:
    """Return the constant with the new offsets of its records."""

    def place(value: Value) -> Value:
        if not isinstance(value.data, Blob):
            return value
        return replace(value, data=Blob(path=WEIGHT_FILE, offset=moved[value.data.offset]))

    def bind(bindings: tuple[Binding, ...]) -> tuple[Binding, ...]:
        return tuple(one if isinstance(one, str) else place(one) for one in bindings)

    return replace(
        item,
        inputs={key: bind(bindings) for key, bindings in item.inputs.items()},
        attributes={key: place(value) for key, value in item.attributes.items()},
    )


def _port(value: NamedType, taken: Container[str]) -> NamedType:
    """Return the port that carries a value between the halves."""
    kind = replace(value.tensor, dtype=DataType.FLOAT32)
    return NamedType(name=free_name(f"{value.name}_between", taken), type=kind)


def _cast(source: NamedType, result: NamedType, words: Mapping[DataType, Operation]) -> Operation:
    word = words[result.tensor.dtype].outputs[0].name
    return Operation(
        type="cast",
        inputs={"x": (source.name,), "dtype": (word,)},
        outputs=(result,),
        attributes={"name": text(result.name)},
    )


def _word(name: str, word: str) -> Operation:
    """Return the string constant `name` that holds `word`, a type's name for `cast`."""
    value = text(word)
    return Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name=name, type=value.type),),
        attributes={"name": text(name), "val": value},
    )


def _feature(value: NamedType) -> Feature:
    shape = tuple(size or 0 for size in value.tensor.shape)
    return Feature(
        name=value.name,
        dtype=DataType.FLOAT32,
        shape=shape,
        description="From the first half to the second.",
    )


def _dtype(port: Feature) -> DataType:
    return port.dtype or DataType.FLOAT32

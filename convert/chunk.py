"""A program in two halves of about the same weight, for systems that load no more than so much.

The runtimes give the first half the program's inputs, the second both those and the first's
outputs. Works on the specification, so it comes after compression. What crosses from one half to
the other is float32 outside and float16 inside; description and the like are kept in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from convert.errors import UnsupportedError
from convert.programs.export import text
from convert.programs.payload import WEIGHT_FILE, Built, Payload, Weight, elements, lay_out
from convert.spec.model import (
    Blob,
    DataType,
    Feature,
    Function,
    NamedType,
    Operation,
    TensorType,
    Value,
)

MARGIN = 0.05
"""How far from half of the weights the cut may be, as a share of all."""

OUTSIDE = "{name}_between"
"""What a value is called on its way from the first half to the second."""

_WORDS = {DataType.FLOAT16: "fp16", DataType.FLOAT32: "fp32"}


def chunk(built: Built) -> tuple[Built, Built]:
    """The two halves, cut where the fewest elements cross.

    Raises:
        UnsupportedError: the program has no place to cut near the middle of its weights.
    """
    function = built.model.program.functions["main"]
    sizes = {payload.offset: payload.nbytes for payload in built.payloads}
    constants = [item for item in function.block.operations if _is_constant(item)]
    steps = [item for item in function.block.operations if not _is_constant(item)]
    place = _place(built.component, function, steps, _weights(steps, constants, sizes))
    crossing = _crossing(function, steps, place)
    first, second = steps[:place], steps[place:]
    leaving = [_cast(value, _outside(value)) for value in crossing]
    arriving = [_cast(_outside(value), value) for value in crossing]
    words = [_word(_outside(value).type) for value in crossing] + [_word(v.type) for v in crossing]
    constants += {item.outputs[0].name: item for item in words}.values()
    features = tuple(_feature(_outside(value)) for value in crossing)
    described = built.model.description
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


def _weights(
    steps: Sequence[Operation], constants: Iterable[Operation], sizes: Mapping[int, int]
) -> list[int]:
    """Bytes of the weight file that each step is the first to use."""
    left = {
        item.outputs[0].name: sum(sizes[offset] for offset in _offsets(item)) for item in constants
    }
    return [sum(left.pop(name, 0) for name in _uses(step)) for step in steps]


def _place(
    component: str, function: Function, steps: Sequence[Operation], weights: Sequence[int]
) -> int:
    """The number of steps in the first half."""
    total, before = sum(weights), 0
    candidates = []
    for place, weight in enumerate(weights, start=1):
        before += weight
        if abs(before - total / 2) <= MARGIN * total and place < len(steps):
            values = _crossing(function, steps, place)
            if all(_tensor(value.type).dtype in _WORDS for value in values):
                cost = sum(elements(_tensor(value.type)) for value in values)
                candidates.append((cost, abs(before - total / 2), place))
    if not candidates:
        raise UnsupportedError(
            f"{component}: no place to cut near the middle of its weights; leave it whole"
        )
    return min(candidates)[2]


def _crossing(function: Function, steps: Sequence[Operation], place: int) -> tuple[NamedType, ...]:
    """What steps before `place` compute and later ones, or the caller, need."""
    wanted = {name for step in steps[place:] for name in _uses(step)} | set(function.block.outputs)
    return tuple(
        result for step in steps[:place] for result in step.outputs if result.name in wanted
    )


def _half(
    built: Built,
    number: int,
    constants: Iterable[Operation],
    steps: Sequence[Operation],
    ports: tuple[Sequence[Feature], Sequence[Feature]],
) -> Built:
    """One half: its steps, the constants and inputs that they use, its part of the weight file."""
    used = {name for step in steps for name in _uses(step)}
    kept = [item for item in constants if item.outputs[0].name in used]
    offsets = {offset for item in kept for offset in _offsets(item)}
    parts = [payload for payload in built.payloads if payload.offset in offsets]
    payloads = lay_out((part.name, part.type, part.source) for part in parts)
    moved = {old.offset: new.offset for old, new in zip(parts, payloads, strict=True)}
    inputs = tuple(port for port in ports[0] if port.name in used)
    function = built.model.program.functions["main"]
    block = replace(
        function.block,
        operations=(*(_moved(item, moved) for item in kept), *steps),
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
    return Built(
        component=f"{built.component}_chunk{number}",
        model=replace(built.model, description=description, program=program),
        payloads=payloads,
        parameters=sum(_parameters(item, payloads) for item in kept),
    )


def _parameters(item: Operation, payloads: Sequence[Payload]) -> int:
    weights = {payload.name for payload in payloads if isinstance(payload.source, Weight)}
    name, kind = item.outputs[0].name, item.outputs[0].type
    return elements(_tensor(kind)) if item.type != "const" or name in weights else 0


def _is_constant(item: Operation) -> bool:
    return item.type == "const" or item.type.startswith("constexpr_")


def _uses(step: Operation) -> Iterator[str]:
    for bindings in step.inputs.values():
        yield from (name for name in bindings if isinstance(name, str))


def _offsets(item: Operation) -> Iterator[int]:
    for value in item.attributes.values():
        if isinstance(value.data, Blob):
            yield value.data.offset


def _moved(item: Operation, moved: Mapping[int, int]) -> Operation:
    """The constant with its records at their new places."""

    def place(value: Value) -> Value:
        if not isinstance(value.data, Blob):
            return value
        return replace(value, data=Blob(path=WEIGHT_FILE, offset=moved[value.data.offset]))

    return replace(item, attributes={key: place(value) for key, value in item.attributes.items()})


def _outside(value: NamedType) -> NamedType:
    shape = _tensor(value.type).shape
    return NamedType(
        name=OUTSIDE.format(name=value.name), type=TensorType(dtype=DataType.FLOAT32, shape=shape)
    )


def _cast(source: NamedType, result: NamedType) -> Operation:
    return Operation(
        type="cast",
        inputs={"x": (source.name,), "dtype": (_word(result.type).outputs[0].name,)},
        outputs=(result,),
        attributes={"name": text(f"{result.name}_cast")},
    )


def _word(kind: object) -> Operation:
    """The constant that names a type to `cast`."""
    word = _WORDS[_tensor(kind).dtype]
    name = f"between_{word}"
    value = text(word)
    return Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name=name, type=value.type),),
        attributes={"name": text(name), "val": value},
    )


def _feature(value: NamedType) -> Feature:
    shape = tuple(size or 0 for size in _tensor(value.type).shape)
    return Feature(
        name=value.name,
        dtype=DataType.FLOAT32,
        shape=shape,
        description="From the first half to the second.",
    )


def _dtype(port: Feature) -> DataType:
    return port.dtype or DataType.FLOAT32


def _tensor(kind: object) -> TensorType:
    assert isinstance(kind, TensorType)  # noqa: S101  no other kind occurs in these programs
    return kind

"""Changes to a program's graph: in its package, which is compiled again, so that both agree."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

from sdcoreml.convert.spec.description import description
from sdcoreml.convert.spec.model import (
    DataType,
    Elements,
    Model,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from tests.inside.convert.changes.mending import remake

Change = Callable[[Path, Random], None]

PROGRAMS = ("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder")


def remade(change: Callable[[Model, Random], Model]) -> Change:
    """Return a change that edits a program in its package, and compiles it again."""

    def apply(folder: Path, rng: Random) -> None:
        remake(folder, rng.choice(PROGRAMS), lambda model: change(model, rng))

    return apply


def operations(
    change: Callable[[list[Operation], Random], object],
) -> Callable[[Model, Random], Model]:
    """Return a function that edits the list of a program's operations."""

    def apply(model: Model, rng: Random) -> Model:
        function = model.program.main
        items = [*function.block.operations]
        change(items, rng)
        changed = function.with_operations(items)
        return replace(model, program=replace(model.program, functions={"main": changed}))

    return apply


def _number(items: list[Operation], rng: Random) -> None:
    """Add 1 to the first number of a random constant, such as an epsilon, an axis or a factor."""
    places = [
        place
        for place, item in enumerate(items)
        if item.type == "const"
        and isinstance(item.attributes["val"].data, Elements)
        and isinstance(item.attributes["val"].data.values, tuple)
        and all(type(one) in (int, float) for one in item.attributes["val"].data.values)
        and item.attributes["val"].data.values
    ]
    place = rng.choice(places)
    item = items[place]
    value = item.attributes["val"]
    assert isinstance(value.data, Elements)
    first, *others = value.data.values
    data = Elements(values=(first + 1, *others))  # type: ignore[operator]
    items[place] = replace(item, attributes={**item.attributes, "val": replace(value, data=data)})


def _word(items: list[Operation], rng: Random) -> None:
    place = rng.randrange(len(items))
    other = Value(type=TensorType(dtype=DataType.STRING), data=Elements(values=("other",)))
    attributes = {**items[place].attributes, "name": other}
    items[place] = replace(items[place], attributes=attributes)


def _more(items: list[Operation], rng: Random) -> None:
    item = rng.choice([one for one in items if one.type == "const"])
    output = NamedType(name="more", type=item.outputs[0].type)
    items.insert(0, replace(item, outputs=(output,)))


def _order(items: list[Operation], rng: Random) -> None:
    places = [n for n in range(len(items) - 1) if items[n].type == items[n + 1].type == "const"]
    place = rng.choice(places)
    items[place], items[place + 1] = items[place + 1], items[place]


def _kind(items: list[Operation], rng: Random) -> None:
    others = {"add": "sub", "mul": "add", "sigmoid": "tanh", "silu": "relu", "sub": "add"}
    place = rng.choice([n for n, item in enumerate(items) if item.type in others])
    items[place] = replace(items[place], type=others[items[place].type])


def _dtype(items: list[Operation], rng: Random) -> None:
    place = rng.choice([n for n, item in enumerate(items) if item.type not in ("const", "cast")])
    output = items[place].outputs[0]
    assert isinstance(output.type, TensorType)
    kinds = {DataType.FLOAT16: DataType.FLOAT32, DataType.FLOAT32: DataType.FLOAT16}
    kind = replace(output.type, dtype=kinds.get(output.type.dtype, DataType.FLOAT32))
    rest = items[place].outputs[1:]
    items[place] = replace(items[place], outputs=(replace(output, type=kind), *rest))


def _described(model: Model, _: Random) -> Model:
    raw = model.description.raw
    entry = b"\x0a\x01a\x12\x01b"
    about = b"\xa2\x06" + bytes([len(entry) + 3]) + b"\xa2\x06" + bytes([len(entry)]) + entry
    return replace(model, description=description(raw + about))


Numbers = tuple[float | int, ...]


def _constants(items: list[Operation]) -> list[int]:
    return [place for place, item in enumerate(items) if _floats(item)]


def _floats(item: Operation) -> bytes:
    """Return the bytes of a constant with a few numbers of half or single precision, or none."""
    value = item.attributes.get("val") if item.type == "const" else None
    kind = value.type if value else None
    if not value or not isinstance(kind, TensorType) or not isinstance(value.data, Elements):
        return b""
    halves = kind.dtype is DataType.FLOAT16
    raw = value.data.values
    if isinstance(raw, tuple) and kind.dtype is DataType.FLOAT32:
        return struct.pack(f"<{len(raw)}f", *raw)
    return raw if halves and isinstance(raw, bytes) else b""


def _fraction(change: Callable[[float], float]) -> Callable[[list[Operation], Random], None]:
    """Return a change of the first number of a random constant of fractions."""

    def apply(items: list[Operation], rng: Random) -> None:
        place = rng.choice(_constants(items))
        item = items[place]
        value = item.attributes["val"]
        assert isinstance(value.data, Elements)
        if isinstance(value.data.values, bytes):
            (first,) = struct.unpack("<e", value.data.values[:2])
            values: object = struct.pack("<e", change(first)) + value.data.values[2:]
            if values == value.data.values:  # too small a step for half precision
                (bits,) = struct.unpack("<H", value.data.values[:2])
                values = struct.pack("<H", bits ^ 1) + value.data.values[2:]
        else:
            first, *others = value.data.values
            values = (struct.unpack("<f", struct.pack("<f", change(float(first))))[0], *others)
        data = Elements(values=values)  # type: ignore[arg-type]
        changed = {**item.attributes, "val": replace(value, data=data)}
        items[place] = replace(item, attributes=changed)

    return apply


def _renamed(items: list[Operation], rng: Random) -> None:
    """Give a value another name, wherever it is named."""
    last = {output.name for output in items[-1].outputs}
    names = [item.outputs[0].name for item in items if item.outputs[0].name not in last]
    name = rng.choice(names)
    for place, item in enumerate(items):
        outputs = tuple(
            replace(it, name="other" if it.name == name else it.name) for it in item.outputs
        )
        inputs = {
            key: tuple("other" if bound == name else bound for bound in bindings)
            for key, bindings in item.inputs.items()
        }
        items[place] = replace(item, outputs=outputs, inputs=inputs)


def _argument(items: list[Operation], rng: Random) -> None:
    """Exchange the two arguments of a sum, a product or a difference."""
    kinds = ("add", "mul", "sub", "matmul")
    place = rng.choice([n for n, item in enumerate(items) if item.type in kinds])
    inputs = items[place].inputs
    items[place] = replace(items[place], inputs={**inputs, "x": inputs["y"], "y": inputs["x"]})


def _skipped(items: list[Operation], rng: Random) -> None:
    """Let a sum pass its first argument on: what reads the sum reads that."""
    place = rng.choice([n for n, item in enumerate(items[:-1]) if item.type == "add"])
    name, source = items[place].outputs[0].name, items[place].inputs["x"][0]
    for n, item in enumerate(items):
        inputs = {
            key: tuple(source if bound == name else bound for bound in bindings)
            for key, bindings in item.inputs.items()
        }
        items[n] = replace(item, inputs=inputs)


def _bounded(items: list[Operation], rng: Random) -> None:
    """Bound a result at zero: a rectifier after a random product."""
    place = rng.choice([n for n, item in enumerate(items[:-1]) if item.type in ("mul", "conv")])
    output = items[place].outputs[0]
    inner = replace(output, name="unbounded")
    bounded = Operation(
        type="relu",
        inputs={"x": ("unbounded",)},
        outputs=(output,),
        attributes=items[place].attributes,
    )
    rest = items[place].outputs[1:]
    items[place] = replace(items[place], outputs=(inner, *rest))
    items.insert(place + 1, bounded)


def _moved(items: list[Operation], rng: Random) -> None:
    """Put a constant to the front."""
    places = [n for n, item in enumerate(items) if n and item.type == "const"]
    items.insert(0, items.pop(rng.choice(places)))


def _optional(model: Model, _: Random) -> Model:
    first, *rest = model.description.inputs
    inputs = (replace(first, optional=not first.optional), *rest)
    return replace(model, description=replace(model.description, inputs=inputs))


GRAPHS: Mapping[str, Change] = {
    "both: a number of a constant": remade(operations(_number)),
    "both: a name of an operation": remade(operations(_word)),
    "both: a constant more": remade(operations(_more)),
    "both: an order of constants": remade(operations(_order)),
    "both: a kind of operation": remade(operations(_kind)),
    "both: a type": remade(operations(_dtype)),
    "both: updatable": remade(lambda m, _: replace(m, is_updatable=True)),
    "both: a newer version": remade(lambda m, _: replace(m, specification_version=8)),
    "both: metadata of the author": remade(_described),
    "both: a fraction, its last bit": remade(
        operations(_fraction(lambda it: math.nextafter(it, math.inf)))
    ),
    "both: a fraction, a thousandth more": remade(operations(_fraction(lambda it: it * 1.001))),
    "both: a fraction doubled": remade(operations(_fraction(lambda it: 2 * it))),
    "both: a fraction gone": remade(operations(_fraction(lambda _: 0.0))),
    "both: a sign": remade(operations(_fraction(lambda it: -it - (it == 0)))),
    "both: a value's name": remade(operations(_renamed)),
    "both: arguments exchanged": remade(operations(_argument)),
    "both: a sum skipped": remade(operations(_skipped)),
    "both: a rectifier more": remade(operations(_bounded)),
    "both: a constant moved": remade(operations(_moved)),
    "both: an older version": remade(lambda m, _: replace(m, specification_version=6)),
}
"""The changes to graphs, by a name that says what is changed and how."""

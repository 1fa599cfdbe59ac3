"""Compresses the weights of a built program: palettes of 1 to 8 bits, or 8-bit integers.

Compression works on the specification, so it accepts programs from any builder, and it runs before
chunking. Only the checkpoint's weights are compressed, never the causal mask or a timestep table.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sdcoreml.convert.compression.forms import Form, Item, Parts, assemble, fit
from sdcoreml.convert.compression.recipe import BLOCKWISE, WHOLE, Recipe, require_storable
from sdcoreml.convert.programs.payload import (
    DrawnProgram,
    Payload,
    Tensors,
    Weight,
    lay_out,
)
from sdcoreml.convert.spec.blobs import WEIGHT_FILE
from sdcoreml.convert.spec.model import Blob, DataType, Model, Operation, TensorType, Value
from sdcoreml.ground.errors import UnsupportedError

if TYPE_CHECKING:
    import numpy as np

LEAST_ELEMENTS = 2048
"""The smallest number of elements of a weight that is compressed; the same as in coremltools."""

TOGETHER = 16
"""The number of weights that are clustered together, in less time than one by one."""


Palettes: TypeAlias = "dict[Hashable, tuple[str, Parts]]"
"""The weights of a checkpoint that were compressed so far, for reuse in its other programs."""


class Finder(Protocol):
    """Finds what rounds each of many weights, as `convert.compression.forms.fit` does."""

    def find(self, payloads: Sequence[Payload], form: Form) -> Sequence[np.ndarray]:
        """Return the palettes or scales of each weight, in order."""
        ...


@dataclass(frozen=True, slots=True)
class InTurn:
    """Finds what rounds weights in this process, a few weights at a time."""

    tensors: Tensors

    def find(self, payloads: Sequence[Payload], form: Form) -> Sequence[np.ndarray]:
        """Return the palettes or scales of each weight, in order."""
        found: list[np.ndarray] = []
        for start in range(0, len(payloads), TOGETHER):
            found += fit(payloads[start : start + TOGETHER], self.tensors, form)
        return found


def compress(
    built: DrawnProgram,
    tensors: Tensors,
    recipe: Recipe,
    palettes: Palettes | None = None,
    finder: Finder | None = None,
) -> DrawnProgram:
    """Compress a program's weights. Each is read once here, and again when it is written.

    `palettes` holds what earlier programs of the checkpoint compressed, and gets what this one
    compresses: a weight that is already there is not compressed again. `finder` finds what rounds
    the weights; by default, `InTurn`.

    Raises:
        UnsupportedError: the bits cannot be stored in this precision or for this target.
        BadInputError: a weight is not finite.
    """
    _check(built, recipe)
    known = {} if palettes is None else palettes
    is_newer = built.model.specification_version >= BLOCKWISE
    chosen = {p.name for p in compressible(built) if recipe.bits_of(p.name) != WHOLE}
    keys = {
        payload.name: (_form(recipe, payload, is_newer=is_newer), payload)
        for payload in built.payloads
        if payload.name in chosen
    }
    items: list[Item] = []
    replaced: dict[str, tuple[str, Parts]] = {}
    _compress_new(list(keys.values()), known, finder or InTurn(tensors))
    for payload in built.payloads:
        if payload.name not in chosen:
            items.append((payload.name, payload.type, payload.source))
            continue
        kind, parts = known[_key(*keys[payload.name])]
        replaced[payload.name] = kind, parts
        items += [part for part in parts.values() if isinstance(part, tuple)]
    payloads = lay_out(items)
    places = {payload.name: payload.offset for payload in payloads}
    return replace(built, payloads=payloads, model=_rewritten(built, replaced, places))


def _form(recipe: Recipe, payload: Payload, *, is_newer: bool) -> Form:
    return Form(
        method=recipe.method,
        bits=recipe.bits_of(payload.name),
        group=recipe.group_size,
        is_newer=is_newer,
    )


def _key(form: Form, payload: Payload) -> Hashable:
    return form, payload.name, payload.source.identity()


def _compress_new(wanted: Sequence[tuple[Form, Payload]], known: Palettes, finder: Finder) -> None:
    """Compress the weights that are not in `known`, and add them."""
    by_form: dict[Form, list[Payload]] = {}
    for form, payload in wanted:
        if _key(form, payload) not in known:
            by_form.setdefault(form, []).append(payload)
    for form, payloads in by_form.items():
        for payload, found in zip(payloads, finder.find(payloads, form), strict=True):
            known[_key(form, payload)] = assemble(payload, form, found)


def _check(built: DrawnProgram, recipe: Recipe) -> None:
    require_storable(recipe, built.model.specification_version, built.component)
    known = {payload.name for payload in compressible(built)}
    if unknown := sorted(set(recipe.layers or {}) - known):
        raise UnsupportedError(
            f"the recipe names layers that this program does not have: {', '.join(unknown)}",
            where=built.component,
            remedy="use a recipe that was made for this model",
        )
    weights = [p for p in built.payloads if isinstance(p.source, Weight)]
    if any(weight.type.dtype is not DataType.FLOAT16 for weight in weights):
        raise UnsupportedError("only float16 programs can be compressed", where=built.component)


def compressible(built: DrawnProgram) -> Iterator[Payload]:
    """Yield the large weights of layers; embeddings do not count as layers."""
    of_layers = {
        name
        for operation in built.model.program.main.block.operations
        for name in operation.inputs.get("weight", ())
    }
    for payload in built.payloads:
        if (
            isinstance(payload.source, Weight)
            and payload.type.count >= LEAST_ELEMENTS
            and payload.name in of_layers
        ):
            yield payload


def _rewritten(
    built: DrawnProgram, replaced: Mapping[str, tuple[str, Parts]], places: Mapping[str, int]
) -> Model:
    program = built.model.program
    function = program.main
    is_newer = built.model.specification_version >= BLOCKWISE
    function = function.with_operations(
        _operation(operation, replaced, places, is_newer=is_newer)
        for operation in function.block.operations
    )
    return replace(built.model, program=replace(program, functions={"main": function}))


def _operation(
    operation: Operation,
    replaced: Mapping[str, tuple[str, Parts]],
    places: Mapping[str, int],
    *,
    is_newer: bool,
) -> Operation:
    """Return an operation as the compressed program has it.

    A constant that was compressed becomes the operation that decompresses it; any other constant in
    the weight file gets its new offset. Other operations stay as they are.
    """
    name = operation.outputs[0].name
    if operation.type != "const":
        return operation
    if name in replaced:
        kind, parts = replaced[name]
        values = {
            key: part if isinstance(part, Value) else _refer_to_record(part[1], places[part[0]])
            for key, part in parts.items()
        }
        if is_newer:
            bound = {key: (value,) for key, value in values.items()}
            named = {"name": operation.attributes["name"]}
            return replace(operation, type=kind, inputs=bound, attributes=named)
        return replace(
            operation, type=kind, attributes={"name": operation.attributes["name"], **values}
        )
    if name in places:
        value = operation.attributes["val"]
        moved = replace(value, data=Blob(path=WEIGHT_FILE, offset=places[name]))
        return replace(operation, attributes={**operation.attributes, "val": moved})
    return operation


def _refer_to_record(kind: TensorType, offset: int) -> Value:
    return Value(type=kind, data=Blob(path=WEIGHT_FILE, offset=offset))

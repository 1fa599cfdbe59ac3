"""Smaller weights: palettes of 1 to 8 bits, or 8-bit integers, for a built program.

Works on the specification, so a program is compressed whoever drew it, and before it is chunked.
Only weights of the checkpoint are touched: never the causal mask or a timestep table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from convert.compression_recipe import WHOLE, Method, Recipe
from convert.errors import UnsupportedError
from convert.palette import BITS, cluster, code_table, histogram, pack, uniform
from convert.programs.payload import (
    WEIGHT_FILE,
    Built,
    Payload,
    Source,
    Table,
    Tensors,
    Weight,
    elements,
    lay_out,
)
from convert.spec.model import (
    Blob,
    DataType,
    Elements,
    Model,
    Operation,
    TensorType,
    Value,
)

if TYPE_CHECKING:
    import numpy as np

LEAST_ELEMENTS = 2048
"""Smaller weights stay as they are; coremltools' threshold."""

SMALLEST_RECORD = 10
NEWEST = 8
"""From specification 9 on these operations have another form, which is not written yet."""

_RELEASE_AFTER = 48 << 20


Item: TypeAlias = tuple[str, TensorType, Source]
Parts: TypeAlias = "dict[str, Item | Value]"
"""Attributes of the operation that takes a constant's place: a record each, or a small value."""

Palettes: TypeAlias = "dict[Hashable, tuple[str, Parts]]"
"""What became of each weight of one checkpoint so far: other programs of it want the same."""

_Compressor: TypeAlias = Callable[[Payload, Tensors, int], tuple[str, Parts]]


def compress(
    built: Built, tensors: Tensors, recipe: Recipe, palettes: Palettes | None = None
) -> Built:
    """The program with compressed weights. Reads every weight once, here, and again when writing.

    `palettes` spares the work for weights of which another program was made already.

    Raises:
        UnsupportedError: bits, precision or target for which there is no form.
        BadInputError: a weight is not finite.
    """
    _check(built, recipe)
    compressor, known = _COMPRESSORS[recipe.method], {} if palettes is None else palettes
    chosen = {p.name for p in compressible(built) if recipe.bits_of(p.name) != WHOLE}
    items: list[Item] = []
    replaced: dict[str, tuple[str, Parts]] = {}
    held = 0
    for payload in built.payloads:
        if payload.name not in chosen:
            items.append((payload.name, payload.type, payload.source))
            continue
        bits = recipe.bits_of(payload.name)
        key = (recipe.method, bits, payload.name, payload.source.identity())
        if key not in known:
            known[key] = compressor(payload, tensors, bits)
        kind, parts = known[key]
        replaced[payload.name] = kind, parts
        items += [part for part in parts.values() if isinstance(part, tuple)]
        held += payload.nbytes
        if held > _RELEASE_AFTER:
            tensors.release()
            held = 0
    payloads = lay_out(items)
    places = {payload.name: payload.offset for payload in payloads}
    return replace(built, payloads=payloads, model=_rewritten(built, replaced, places))


def _check(built: Built, recipe: Recipe) -> None:
    allowed = (8, WHOLE) if recipe.method is Method.LINEAR else (*BITS, WHOLE)
    wanted = {recipe.bits, *(recipe.layers or {}).values()}
    if strange := sorted(wanted - set(allowed)):
        reason = ", Core ML reads 3-bit codes from macOS 15 on only" if strange[0] == 3 else ""  # noqa: PLR2004
        raise UnsupportedError(
            f"{built.component}: {recipe.method.value} with {strange[0]} bits cannot be stored"
            f"{reason}; choose {', '.join(map(str, allowed))}"
        )
    known = {payload.name for payload in compressible(built)}
    if unknown := sorted(set(recipe.layers or {}) - known):
        raise UnsupportedError(
            f"{built.component}: the recipe names {', '.join(unknown)}, which this program has not;"
            " it belongs to another model"
        )
    if built.model.specification_version > NEWEST:
        raise UnsupportedError(
            f"{built.component}: compressed weights are written for macOS 13 and 14;"
            " choose one of them as target, newer systems run it too"
        )
    weights = [p for p in built.payloads if isinstance(p.source, Weight)]
    if any(weight.type.dtype is not DataType.FLOAT16 for weight in weights):
        raise UnsupportedError(f"{built.component}: only float16 programs are compressed")


def compressible(built: Built) -> Iterator[Payload]:
    """The large weights of layers: no embedding, whose rows are looked up or added."""
    of_layers = {
        name
        for operation in built.model.program.functions["main"].block.operations
        for name in operation.inputs.get("weight", ())
    }
    for payload in built.payloads:
        if (
            isinstance(payload.source, Weight)
            and elements(payload.type) >= LEAST_ELEMENTS
            and payload.name in of_layers
        ):
            yield payload


def _rewritten(
    built: Built,
    replaced: Mapping[str, tuple[str, Parts]],
    places: Mapping[str, int],
) -> Model:
    program = built.model.program
    function = program.functions["main"]
    operations = tuple(
        _operation(operation, replaced, places) for operation in function.block.operations
    )
    block = replace(function.block, operations=operations)
    function = replace(function, blocks={function.opset: block})
    return replace(built.model, program=replace(program, functions={"main": function}))


def _operation(
    operation: Operation,
    replaced: Mapping[str, tuple[str, Parts]],
    places: Mapping[str, int],
) -> Operation:
    """The operation with its constant replaced, or with its weight at its new place."""
    name = operation.outputs[0].name
    if operation.type != "const":
        return operation
    if name in replaced:
        kind, parts = replaced[name]
        values = {
            key: part if isinstance(part, Value) else _stored(part[1], places[part[0]])
            for key, part in parts.items()
        }
        return replace(
            operation, type=kind, attributes={"name": operation.attributes["name"], **values}
        )
    if name in places:
        value = operation.attributes["val"]
        moved = replace(value, data=Blob(path=WEIGHT_FILE, offset=places[name]))
        return replace(operation, attributes={**operation.attributes, "val": moved})
    return operation


def _stored(kind: TensorType, offset: int) -> Value:
    return Value(type=kind, data=Blob(path=WEIGHT_FILE, offset=offset))


def _palettize(
    choose: Callable[..., np.ndarray], payload: Payload, tensors: Tensors, bits: int
) -> tuple[str, Parts]:
    import numpy as np

    half = DataType.FLOAT16
    counted = histogram(payload.source.blocks(tensors, half), payload.name)
    palette = choose(counted, 1 << bits)
    count = elements(payload.type)
    packed = TensorType(dtype=DataType.UINT8, shape=(-(-count * bits // 8),))
    table = TensorType(dtype=half, shape=(1 << bits,))
    shape = np.array(payload.type.shape, "<u4")
    lut: Item | Value = (f"{payload.name}_lut", table, Table(palette))
    if palette.size < SMALLEST_RECORD:
        lut = Value(type=table, data=Elements(values=palette.astype("<f2").tobytes()))
    return "constexpr_lut_to_dense", {
        "indices": (
            f"{payload.name}_indices",
            packed,
            Codes(source=payload.source, palette=palette, bits=bits),
        ),
        "lut": lut,
        "shape": Value(
            type=TensorType(dtype=DataType.UINT32, shape=(shape.size,)),
            data=Elements(values=shape.tobytes()),
        ),
    }


def _by_clustering(payload: Payload, tensors: Tensors, bits: int) -> tuple[str, Parts]:
    return _palettize(cluster, payload, tensors, bits)


def _by_equal_steps(payload: Payload, tensors: Tensors, bits: int) -> tuple[str, Parts]:
    return _palettize(uniform, payload, tensors, bits)


def _by_scale(payload: Payload, tensors: Tensors, _: int) -> tuple[str, Parts]:
    """Symmetric: the largest element of each output channel becomes 127 or -127."""
    import numpy as np

    rows = payload.type.shape[0] or 1
    whole = np.concatenate(list(payload.source.blocks(tensors, DataType.FLOAT16)))
    largest = np.abs(whole.reshape(rows, -1)).max(axis=1).astype(np.float32)
    scale = np.maximum(largest / 127, 2.0**-24).astype(np.float16)
    vector = TensorType(dtype=DataType.FLOAT16, shape=(rows,))
    zeros = TensorType(dtype=DataType.INT8, shape=(rows,))
    data = TensorType(dtype=DataType.INT8, shape=payload.type.shape)
    source = Integers(source=payload.source, scale=scale)
    small = rows < SMALLEST_RECORD
    return "constexpr_affine_dequantize", {
        "quantized_data": (f"{payload.name}_integers", data, source),
        "scale": Value(type=vector, data=Elements(values=scale.astype("<f2").tobytes()))
        if small
        else (f"{payload.name}_scale", vector, Table(scale)),
        "zero_point": Value(type=zeros, data=Elements(values=bytes(rows)))
        if small
        else (f"{payload.name}_zero", zeros, Table(np.zeros(rows, np.int8))),
        "axis": Value(type=TensorType(dtype=DataType.INT32), data=Elements(values=(0,))),
    }


_COMPRESSORS: Mapping[Method, _Compressor] = {
    Method.KMEANS: _by_clustering,
    Method.UNIFORM: _by_equal_steps,
    Method.LINEAR: _by_scale,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The numbers of the palette's entries nearest to the elements of a weight, packed."""

    source: Source
    palette: np.ndarray
    bits: int

    def blocks(self, tensors: Tensors, _: DataType) -> Iterator[np.ndarray]:
        """Packed bytes, uint8."""
        import numpy as np

        table = code_table(self.palette)
        for block in self.source.blocks(tensors, DataType.FLOAT16):
            for start in range(0, block.size, _CODES):
                codes = table[block[start : start + _CODES].view(np.uint16)]
                yield pack(codes, self.bits)

    def identity(self) -> Hashable:
        """Whose codes they are, and of which palette."""
        return ("codes", self.source.identity(), self.palette.tobytes(), self.bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Integers:
    """A weight divided by the scale of its output channel, rounded."""

    source: Source
    scale: np.ndarray

    def blocks(self, tensors: Tensors, _: DataType) -> Iterator[np.ndarray]:
        """One block, int8."""
        import numpy as np

        whole = np.concatenate(list(self.source.blocks(tensors, DataType.FLOAT16)))
        rows = whole.reshape(self.scale.size, -1).astype(np.float32)
        rows /= self.scale.astype(np.float32)[:, np.newaxis]
        yield np.clip(np.rint(rows), -127, 127).astype(np.int8).reshape(-1)

    def identity(self) -> Hashable:
        """Whose integers they are, and by which scale."""
        return ("integers", self.source.identity(), self.scale.tobytes())


_CODES = 1 << 20
"""Codes packed at a time; fills whole bytes at every width."""

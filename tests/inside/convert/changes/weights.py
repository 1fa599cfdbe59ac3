"""Changes to a program's numbers, alike in its package and compiled model.

Palettes are changed as an attacker would: codes, tables and figures fit each other again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from sdcoreml.convert.compile.compiled import CompiledModel, blobs, read_compiled
from sdcoreml.convert.compression.palette import code_table, pack
from sdcoreml.convert.spec.model import Blob, DataType, TensorType
from sdcoreml.convert.storage.elements import unpack
from tests.inside.convert.changes.mending import put_weights

Change = Callable[[Path, Random], None]
Array = Any

PROGRAMS = ("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder")
COMPRESSED = ("TextEncoder", "Unet")
_HEADER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The weights of one program, writable: each record by its offset, and its type."""

    compiled: CompiledModel
    content: bytearray
    kinds: Mapping[int, TensorType]

    def record(self, offset: int) -> Array:
        """Return the elements of a record of floats, or its bytes, as a view."""
        kind = self.kinds[offset]
        form = {DataType.FLOAT16: "<f2", DataType.FLOAT32: "<f4"}.get(kind.dtype, "u1")
        size = (
            kind.count if form != "u1" else int.from_bytes(self.content[offset + 8 :][:8], "little")
        )
        return np.frombuffer(self.content, form, size, offset + _HEADER)


def in_numbers(
    change: Callable[[Numbers, Random], object], programs: tuple[str, ...] = PROGRAMS
) -> Change:
    """Return a change of a random program's weights."""

    def apply(folder: Path, rng: Random) -> None:
        name = rng.choice([one for one in programs if (folder / f"{one}.mlmodelc").is_dir()])
        compiled = read_compiled(folder / f"{name}.mlmodelc")
        assert compiled.weights
        content = bytearray(compiled.weights.read_bytes())
        found = blobs(compiled.program)
        kinds = {blob.offset: it.type for it, blob in found if isinstance(it.type, TensorType)}
        change(Numbers(compiled=compiled, content=content, kinds=kinds), rng)
        put_weights(folder, name, bytes(content))

    return apply


def _some(numbers: Numbers, rng: Random, least: int = 16) -> Array:
    """Return a random record of floats."""
    large = [
        offset
        for offset, kind in sorted(numbers.kinds.items())
        if kind.dtype in (DataType.FLOAT16, DataType.FLOAT32) and kind.count >= least
    ]
    return numbers.record(rng.choice(large))


def _bits(record: Array) -> Array:
    return record.view(f"u{record.itemsize}")


def _least(numbers: Numbers, rng: Random) -> None:
    record = _some(numbers, rng)
    _bits(record)[rng.randrange(record.size)] ^= 1


def _sign(numbers: Numbers, rng: Random) -> None:
    record = _some(numbers, rng)
    record[np.flatnonzero(record)[0]] *= -1


def _element(numbers: Numbers, rng: Random) -> None:
    record = _some(numbers, rng)
    record[rng.randrange(record.size)] = 0.5


def _exchange(numbers: Numbers, rng: Random) -> None:
    record = _some(numbers, rng)
    one, other = np.flatnonzero(record != record[0])[0], 0
    record[one], record[other] = record[other].copy(), record[one].copy()


def _alike(numbers: Numbers, rng: Random) -> None:
    """Exchange two tensors of one shape."""
    by_kind: dict[TensorType, list[int]] = {}
    for offset, kind in sorted(numbers.kinds.items()):
        if kind.dtype in (DataType.FLOAT16, DataType.FLOAT32) and kind.count > _HEADER:
            by_kind.setdefault(kind, []).append(offset)
    offsets = rng.choice([one for one in by_kind.values() if len(one) > 1])
    one, other = (numbers.record(offset) for offset in rng.sample(offsets, 2))
    assert not np.array_equal(one, other)
    one[:], other[:] = other.copy(), one.copy()


def _each(change: Callable[[Array], Array]) -> Callable[[Numbers, Random], None]:
    def apply(numbers: Numbers, rng: Random) -> None:
        record = _some(numbers, rng)
        record[:] = change(record.copy())

    return apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """A palette of one weight, as views of the weight file."""

    codes: Array
    table: Array
    count: int

    @property
    def bits(self) -> int:
        """The width of a code."""
        return int(self.table.size).bit_length() - 1

    @property
    def indices(self) -> Array:
        """The codes, one an element."""
        return unpack(self.codes, self.bits, self.count)

    @property
    def dense(self) -> Array:
        """The numbers that it stands for, float16."""
        return self.table[self.indices]

    def choose(self, table: Array) -> None:
        """Take another table, ascending, with the codes that are nearest to the numbers now."""
        numbers = self.dense
        self.table[:] = table
        self.take(code_table(self.table)[numbers.view(np.uint16)])

    def take(self, indices: Array) -> None:
        """Take other codes."""
        self.codes[:] = pack(indices.astype(np.uint8), self.bits)


def palettes(numbers: Numbers) -> Iterator[Palette]:
    """Yield the palettes of a program."""
    for operation in numbers.compiled.program.main.block.operations:
        if operation.type != "constexpr_lut_to_dense":
            continue
        parts = {name: operation.attributes[name].data for name in ("indices", "lut")}
        offsets = [data.offset for data in parts.values() if isinstance(data, Blob)]
        if len(offsets) == len(parts):
            output = operation.outputs[0].type
            assert isinstance(output, TensorType)
            codes, table = (numbers.record(offset) for offset in offsets)
            yield Palette(codes=codes, table=table, count=output.count)


def in_palette(change: Callable[[Palette, Random], object]) -> Change:
    """Return a change of a random palette of a compressed program."""
    return in_numbers(
        lambda numbers, rng: change(rng.choice([*palettes(numbers)]), rng), COMPRESSED
    )


def _step(palette: Palette, rng: Random, steps: int = 1) -> None:
    place = rng.randrange(1, palette.table.size - 1)
    palette.table.view(np.uint16)[place] += steps


def _one_code(palette: Palette, rng: Random) -> None:
    indices = palette.indices
    place = rng.randrange(indices.size)
    indices[place] += 1 if indices[place] < palette.table.size - 1 else -1
    palette.take(indices)


def _permute(palette: Palette, rng: Random) -> None:
    one, other = rng.sample(range(palette.table.size), 2)
    order = np.arange(palette.table.size)
    order[[one, other]] = order[[other, one]]
    indices = palette.indices
    palette.table[:] = palette.table[order]
    palette.take(order[indices])


def _two_tables(numbers: Numbers, rng: Random) -> None:
    one, other = rng.sample([*palettes(numbers)], 2)
    one.table[:], other.table[:] = other.table.copy(), one.table.copy()


def _evenly(palette: Palette, _: Random) -> None:
    table = palette.table
    palette.choose(np.linspace(table[0], table[-1], table.size).astype(np.float16))


def _fewer(palette: Palette, _: Random) -> None:
    palette.choose(np.repeat(palette.table[::2], 2))


def _entry_lost(palette: Palette, rng: Random) -> None:
    table = palette.table.copy()
    place = rng.randrange(1, table.size)
    table[place] = table[place - 1]
    palette.choose(np.sort(table))


WEIGHTS: Mapping[str, Change] = {
    "weights: the last bit of an element": in_numbers(_least),
    "weights: a sign": in_numbers(_sign),
    "weights: an element": in_numbers(_element),
    "weights: two elements swapped": in_numbers(_exchange),
    "weights: two tensors swapped": in_numbers(_alike),
    "weights: a tensor reversed": in_numbers(_each(lambda it: it[::-1])),
    "weights: a tensor of zeros": in_numbers(_each(lambda it: it * 0)),
    "weights: a tensor of ones": in_numbers(_each(lambda it: it * 0 + 1)),
    "weights: a tensor doubled": in_numbers(_each(lambda it: it * 2)),
    "weights: a tensor scaled by 1.001": in_numbers(_each(lambda it: it * it.dtype.type(1.001))),
    "weights: a tensor rounded": in_numbers(_each(lambda it: it.round(3))),
    "weights: not a number": in_numbers(_each(lambda it: it * it.dtype.type("nan"))),
}
"""The changes to plain numbers."""

PALETTES: Mapping[str, Change] = {
    "palettes: an entry one step on": in_palette(_step),
    "palettes: an entry forty steps on": in_palette(lambda it, rng: _step(it, rng, 40)),
    "palettes: two entries and their codes swapped": in_palette(_permute),
    "palettes: a code": in_palette(_one_code),
    "palettes: all codes the first": in_palette(lambda it, _: it.take(it.indices * 0)),
    "palettes: two tables swapped": in_numbers(_two_tables, COMPRESSED),
    "palettes: evenly spaced, codes anew": in_palette(_evenly),
    "palettes: half the entries, codes anew": in_palette(_fewer),
    "palettes: an entry lost, codes anew": in_palette(_entry_lost),
    "palettes: scaled by 1.01, codes anew": in_palette(
        lambda it, _: it.choose(it.table * np.float16(1.01))
    ),
    "palettes: shifted a little, codes anew": in_palette(
        lambda it, _: it.choose(it.table + (it.table[-1] - it.table[0]) / np.float16(2000))
    ),
}
"""The changes to a folder of palettes."""

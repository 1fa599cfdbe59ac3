"""Replaces a weight by a palette and codes, or by integers and scales.

Up to iOS 17, codes are packed into bytes, the weight's shape is a separate argument, and a weight
has one palette. From iOS 18 on, codes are elements of 1 to 8 bits in the weight's own shape. There,
palettes and scales have the weight's rank, so each group of output channels can have its own
palette. Source of the newer form: what coremltools 9 writes for iOS 18.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sdcoreml.convert.compression.clustering import clusters
from sdcoreml.convert.compression.palette import Histogram, code_table, histogram, pack, uniform
from sdcoreml.convert.compression.recipe import Method
from sdcoreml.convert.programs.payload import (
    SMALLEST_RECORD,
    ComputedConstant,
    Payload,
    RecordSource,
    Tensors,
)
from sdcoreml.convert.spec.model import DataType, Elements, TensorType, Value

if TYPE_CHECKING:
    import numpy as np

Item: TypeAlias = tuple[str, TensorType, RecordSource]
Parts: TypeAlias = "dict[str, Item | Value]"
"""Arguments of an operation that replaces a constant, by name; a record or an immediate value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one weight is stored.

    Attributes:
        method: how the weight is compressed.
        bits: width of each code.
        group: number of output channels per palette; `None` means one palette for all of them.
        is_newer: whether to use the operations of iOS 18.
    """

    method: Method
    bits: int
    group: int | None = None
    is_newer: bool = False


def fit(payloads: Sequence[Payload], tensors: Tensors, form: Form) -> list[np.ndarray]:
    """Find what rounds each weight: its palettes, one row each, or its channels' scales; float16.

    The result for one weight does not depend on the others. Many together take less time.

    Raises:
        BadInputError: a weight is not finite.
    """
    import numpy as np

    if form.method is Method.LINEAR:
        return [_scale(payload, tensors) for payload in payloads]
    counts = [count_palettes(payload.type.shape, form.group) for payload in payloads]
    counted = (
        one
        for payload, groups in zip(payloads, counts, strict=True)
        for one in _histograms(payload, tensors, groups)
    )
    found = iter(_CHOOSE[form.method](counted, 1 << form.bits))
    return [np.stack(list(itertools.islice(found, groups))) for groups in counts]


def assemble(payload: Payload, form: Form, found: np.ndarray) -> tuple[str, Parts]:
    """Return the type and the arguments of the operation that replaces a weight's constant.

    `found` is what `fit` found for the weight.
    """
    if form.method is Method.LINEAR:
        return _integers(payload, found, is_newer=form.is_newer)
    return _palettize(payload, form, found)


_CHOOSE: Mapping[Method, Callable[[Iterable[Histogram], int], Iterable[np.ndarray]]] = {
    Method.KMEANS: clusters,
    Method.UNIFORM: lambda data, size: (uniform(item, size) for item in data),
}

_CODES: Mapping[int, DataType] = {
    1: DataType.UINT1,
    2: DataType.UINT2,
    3: DataType.UINT3,
    4: DataType.UINT4,
    6: DataType.UINT6,
    8: DataType.UINT8,
}


def count_palettes(shape: Sequence[int | None], group: int | None) -> int:
    """Return the number of palettes of a weight, with one for each `group` of output channels."""
    channels = shape[0] or 1
    # coremltools does not compress a weight whose channels are not a multiple of the group.
    return channels // group if group and channels % group == 0 else 1


def _histograms(payload: Payload, tensors: Tensors, groups: int) -> Iterator[Histogram]:
    """Yield the histogram of each group of channels."""
    blocks = payload.source.blocks(tensors, DataType.FLOAT16)
    pieces = _cut(blocks, payload.type.count // groups)
    for _, group in itertools.groupby(pieces, lambda piece: piece[0]):
        yield histogram((piece for _, piece in group), payload.name)
    tensors.release()


def _palettize(payload: Payload, form: Form, palettes: np.ndarray) -> tuple[str, Parts]:
    import numpy as np

    half, size = DataType.FLOAT16, 1 << form.bits
    shape = tuple(length or 1 for length in payload.type.shape)
    groups = len(palettes)
    each = payload.type.count // groups
    codes = Codes(source=payload.source, palettes=palettes, bits=form.bits, each=each)
    if form.is_newer:
        table = TensorType(dtype=half, shape=(groups, *[1] * (len(shape) - 1), size, 1))
        kind = TensorType(dtype=_CODES[form.bits], shape=shape)
        small = {}
    else:
        table = TensorType(dtype=half, shape=(size,))
        kind = TensorType(dtype=DataType.UINT8, shape=(-(-payload.type.count * form.bits // 8),))
        lengths = np.array(shape, "<u4")
        dimensions = TensorType(dtype=DataType.UINT32, shape=(lengths.size,))
        small = {"shape": Value(type=dimensions, data=Elements(values=lengths.tobytes()))}
    return "constexpr_lut_to_dense", {
        "indices": (f"{payload.name}_indices", kind, codes),
        "lut": _store_content(f"{payload.name}_lut", table, palettes.astype("<f2")),
        **small,
    }


def _scale(payload: Payload, tensors: Tensors) -> np.ndarray:
    """Return the scale of each output channel, whose largest element becomes 127 or -127."""
    import numpy as np

    whole = np.concatenate(list(payload.source.blocks(tensors, DataType.FLOAT16)))
    rows = whole.reshape(payload.type.shape[0] or 1, -1)
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1)).astype(np.float32)
    scale: np.ndarray = np.maximum(largest / 127, 2.0**-24).astype("<f2")
    return scale


def _integers(payload: Payload, scale: np.ndarray, *, is_newer: bool) -> tuple[str, Parts]:
    """Return the operation for a weight rounded to 8-bit integers, with a scale for each channel.

    In each output channel, the element with the largest absolute value becomes 127 or -127.
    """
    import numpy as np

    name, rows = payload.name, scale.size
    data = (
        f"{name}_integers",
        TensorType(dtype=DataType.INT8, shape=payload.type.shape),
        Integers(source=payload.source, scale=scale),
    )
    if is_newer:  # the scale must be a record: Core ML reportedly fails on an immediate one
        kind = TensorType(
            dtype=DataType.FLOAT16, shape=(rows, *[1] * (len(payload.type.shape) - 1))
        )
        return "constexpr_blockwise_shift_scale", {
            "data": data,
            "scale": (f"{name}_scale", kind, ComputedConstant(scale)),
        }
    vector = TensorType(dtype=DataType.FLOAT16, shape=(rows,))
    zeros = TensorType(dtype=DataType.INT8, shape=(rows,))
    return "constexpr_affine_dequantize", {
        "quantized_data": data,
        "scale": _store_content(f"{name}_scale", vector, scale),
        "zero_point": _store_content(f"{name}_zero", zeros, np.zeros(rows, np.int8)),
        "axis": Value(type=TensorType(dtype=DataType.INT32), data=Elements(values=(0,))),
    }


def _store_content(name: str, kind: TensorType, content: np.ndarray) -> Item | Value:
    """Return a record, or an immediate value if the content is too small for a record."""
    if content.size < SMALLEST_RECORD:
        return Value(type=kind, data=Elements(values=content.tobytes()))
    return name, kind, ComputedConstant(content)


def _cut(
    blocks: Iterable[np.ndarray], each: int, start: int = 0
) -> Iterator[tuple[int, np.ndarray]]:
    """Split blocks of elements where a group ends; yield each piece with its group's number.

    A group has `each` elements. `start` is the index, in the weight, of the first element of the
    blocks.
    """
    place = start
    for block in blocks:
        done = 0
        while done < block.size:
            length = min(each - place % each, block.size - done)
            yield place // each, block[done : done + length]
            done += length
            place += length


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The packed codes of a weight: for each element, the index of the nearest palette entry.

    `palettes` has one row for each group of elements, and a group has `each` elements.
    """

    source: RecordSource
    palettes: np.ndarray
    bits: int
    each: int

    def blocks(self, tensors: Tensors, _: DataType) -> Iterator[np.ndarray]:
        """Yield the packed bytes, uint8."""
        import numpy as np

        place, known = 0, (-1, np.empty(0, np.uint8))
        for block in self.source.blocks(tensors, DataType.FLOAT16):
            for start in range(0, block.size, _PACKED):
                part = block[start : start + _PACKED]
                codes = []
                for number, piece in _cut([part], self.each, place):
                    if known[0] != number:
                        known = number, code_table(self.palettes[number])
                    codes.append(known[1][piece.view(np.uint16)])
                place += part.size
                yield pack(np.concatenate(codes), self.bits)

    def identity(self) -> Hashable:
        """Return a key made of what the codes depend on: the weight and the palettes."""
        return ("codes", self.source.identity(), self.palettes.tobytes(), self.bits, self.each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Integers:
    """A weight as 8-bit integers: each element is divided by its channel's scale and rounded."""

    source: RecordSource
    scale: np.ndarray

    def blocks(self, tensors: Tensors, _: DataType) -> Iterator[np.ndarray]:
        """Yield the integers of some channels at a time, int8."""
        import numpy as np

        whole = np.concatenate(list(self.source.blocks(tensors, DataType.FLOAT16)))
        rows = whole.reshape(self.scale.size, -1)
        scale = self.scale.astype(np.float32)[:, np.newaxis]
        together = max(1, _PACKED // rows.shape[1])  # whole weights in float32 are large
        for start in range(0, len(rows), together):
            scaled = rows[start : start + together].astype(np.float32)
            scaled /= scale[start : start + together]
            yield np.clip(np.rint(scaled), -127, 127).astype(np.int8).reshape(-1)

    def identity(self) -> Hashable:
        """Return a key made of what the integers depend on: the weight and the scales."""
        return ("integers", self.source.identity(), self.scale.tobytes())


_PACKED = 1 << 20
"""The number of codes made at a time; so many fill whole bytes, whatever their width."""

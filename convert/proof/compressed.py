"""Audits compressed weights: each code must be the nearest one that its table or scale allows.

A compressed weight equals no tensor, so it cannot be compared byte for byte. But a good compressor
replaces each number by the nearest representable one, or nearly so. If a table, a scale or a code
is wrong, another code would fit some numbers better. Needs numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sdcoreml.convert.proof.decibels import IDENTICAL
from sdcoreml.convert.spec.model import Block, DataType, Operation, TensorType, Value
from sdcoreml.convert.storage.elements import BlobStorage, array, unpack
from sdcoreml.ground.errors import UnsupportedError

if TYPE_CHECKING:
    from sdcoreml.convert.storage.elements import Array

Reach: TypeAlias = 'Callable[["Array"], "Array"]'
"""Takes the tensor's numbers and gives the distance of each to the nearest representable number."""

_HALF_STEP = 2.0**-10
"""The largest rounding error of a float16 table or scale, relative to its largest number."""

_EDGE = 4.0
"""How many times as far away as the nearest number the chosen one may be. coremltools divides in
half precision, so a number 0.2 to 0.8 of the way between two codes can get either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """A compressed weight: its tensor, its method, its quality, and its number of wrong codes.

    `psnr`, in dB, compares the decompressed weight with the tensor. If `is_nearest` is true, every
    code is exactly the best one, as from a compressor that rounds exactly.
    """

    tensor: str
    method: str
    psnr: float
    wrong: int
    is_nearest: bool = False


def measure(
    operation: Operation, parts: Mapping[str, Array], tensor: Array, name: str
) -> Compressed:
    """Compare a compressed constant with the tensor it was made from.

    Args:
        operation: the `constexpr_` operation.
        parts: its arguments by name.
        tensor: the checkpoint's, of the same number of elements.
        name: the tensor's.

    Raises:
        UnsupportedError: this form of compression cannot be compared.
    """
    import numpy as np

    if operation.type not in _METHODS:
        raise UnsupportedError(f"{operation.type} cannot be audited")
    method, values, reach = _METHODS[operation.type](parts)
    wanted = _round_tensor(tensor, operation).reshape(values.shape)
    error, least = np.abs(wanted - values), reach(wanted)
    slack = _HALF_STEP * float(np.abs(wanted).max(initial=0.0))
    wrong = int((error > _EDGE * least + slack).sum())
    rms = float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))
    span = float(wanted.max() - wanted.min())
    psnr = 20 * math.log10(span / rms) if rms > 0 and span > 0 else IDENTICAL
    return Compressed(
        tensor=name,
        method=method,
        psnr=psnr,
        wrong=wrong,
        is_nearest=operation.type in _ROUNDING and bool((error <= least).all()),
    )


def _round_tensor(tensor: Array, operation: Operation) -> Array:
    """The tensor, rounded to the type that the weight had before compression, as float32."""
    import numpy as np

    kind = operation.outputs[0].type
    if isinstance(kind, TensorType) and kind.dtype is DataType.FLOAT16:
        tensor = tensor.astype(np.float16, copy=False)
    return tensor.astype(np.float32)


def arguments(operation: Operation, block: Block, storage: BlobStorage) -> dict[str, Array]:
    """The arguments of a `constexpr_` operation, whether held as inputs or as attributes."""
    constants = {
        item.outputs[0].name: item.attributes["val"]
        for item in block.operations
        if item.type == "const"
    }
    values = {name: value for name, value in operation.attributes.items() if name != "name"}
    for name, (binding, *_) in operation.inputs.items():
        values[name] = binding if isinstance(binding, Value) else constants[binding]
    return {name: array(value, storage) for name, value in values.items()}


def _palette(parts: Mapping[str, Array]) -> tuple[str, Array, Reach]:
    """A weight of codes and one table, or a table per group: method, numbers and `Reach`."""
    import numpy as np

    codes, lut = parts["indices"], parts["lut"].astype(np.float32)
    tables = lut.reshape(1, -1)
    if "shape" not in parts:
        groups = lut.shape[0]
        if lut.shape[-1] != 1 or groups != math.prod(lut.shape[:-2]):
            raise UnsupportedError(
                "only single numbers, and groups along the first axis, can be audited"
            )
        tables = lut.reshape(groups, -1)
    bits = tables.shape[1].bit_length() - 1
    if "shape" in parts:
        shape = tuple(int(size) for size in parts["shape"])
        codes = unpack(codes.reshape(-1), bits, math.prod(shape)).reshape(shape)
    rows = codes.reshape(len(tables), -1)
    values = np.empty(rows.shape, np.float32)
    for row, table, numbers in zip(values, tables, rows, strict=True):
        row[:] = table[numbers]

    def reach(wanted: Array) -> Array:
        least = np.empty(rows.shape, np.float32)
        for row, table, numbers in zip(least, tables, wanted.reshape(rows.shape), strict=True):
            ordered = np.sort(table)
            between = (ordered[1:] + ordered[:-1]) / 2
            row[:] = np.abs(numbers - ordered[np.searchsorted(between, numbers)])
        distance: Array = least.reshape(codes.shape)
        return distance

    return f"{bits}-bit palette", values.reshape(codes.shape), reach


def _affine(parts: Mapping[str, Array]) -> tuple[str, Array, Reach]:
    """As `_palette`, for a scale and a zero point, for all numbers or along one axis."""
    codes = parts["quantized_data"]
    along = [1] * codes.ndim
    along[int(parts["axis"])] = -1
    scale, zero = (
        part.reshape(along if part.ndim else ()) for part in (parts["scale"], parts["zero_point"])
    )
    return _linear(codes, scale, zero)


def _blockwise(parts: Mapping[str, Array]) -> tuple[str, Array, Reach]:
    """As `_palette`, for a scale and an optional offset along any axes."""
    import numpy as np

    codes, scale = parts["data"], parts["scale"]
    zero = parts.get("offset", np.zeros((), np.float32))
    for part in (scale, zero):
        sizes = zip(part.shape, codes.shape, strict=False)
        if any(size not in (1, whole) for size, whole in sizes):
            raise UnsupportedError("a scale for each block of channels cannot be audited")
    return _linear(codes, scale, zero)


def _linear(codes: Array, scale: Array, zero: Array) -> tuple[str, Array, Reach]:
    """`(codes - zero) * scale`, where scale and zero point fit the codes' shape."""
    import numpy as np

    scale, zero = scale.astype(np.float32), zero.astype(np.float32)
    limits = np.iinfo(codes.dtype)

    def reach(wanted: Array) -> Array:
        nearest = np.clip(np.rint(wanted / scale + zero), limits.min, limits.max)
        distance: Array = np.abs(wanted - (nearest - zero) * scale)
        return distance

    return f"{codes.dtype.name} linear", (codes.astype(np.float32) - zero) * scale, reach


def _sparse(parts: Mapping[str, Array]) -> tuple[str, Array, Reach]:
    """As `_palette`, for sparse weights: kept numbers are exact, dropped ones are smaller."""
    import numpy as np

    shape = tuple(int(size) for size in parts["shape"])
    mask = unpack(parts["mask"].reshape(-1), 1, math.prod(shape)).reshape(shape).astype(bool)
    kept = parts["nonzero_data"].astype(np.float32)
    values = np.zeros(shape, np.float32)
    values[mask] = kept
    least = float(np.abs(kept).min(initial=math.inf))
    return "sparse", values, lambda _: np.where(mask, 0.0, least)


_ROUNDING = frozenset(
    {"constexpr_affine_dequantize", "constexpr_blockwise_shift_scale", "constexpr_lut_to_dense"}
)
"""Operations for weights whose numbers are rounded; the others are for weights with dropped
ones."""

_METHODS: Mapping[str, Callable[[Mapping[str, Array]], tuple[str, Array, Reach]]] = {
    "constexpr_affine_dequantize": _affine,
    "constexpr_blockwise_shift_scale": _blockwise,
    "constexpr_lut_to_dense": _palette,
    "constexpr_sparse_to_dense": _sparse,
}

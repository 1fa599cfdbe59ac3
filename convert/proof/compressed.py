"""Audits compressed weights: each code must be the nearest one that its table or scale allows.

A compressed weight equals no tensor, so it cannot be compared byte for byte. But a good compressor
replaces each number by the nearest representable one, or nearly so. If a table, a scale or a code
is wrong, another code would fit some numbers better. This module needs only numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdcoreml.convert.proof.decibels import IDENTICAL
from sdcoreml.convert.proof.rounding import Form, Linear, Palette, Sparse, compare
from sdcoreml.convert.proof.tally import Numbers
from sdcoreml.convert.spec.model import Block, DataType, Operation, TensorType, Value
from sdcoreml.convert.storage.elements import PACKED, BlobStorage, array, stored_bytes, tensor_type
from sdcoreml.ground.errors import ParityError, UnsupportedError

if TYPE_CHECKING:
    from sdcoreml.convert.storage.elements import Array


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
    operation: Operation,
    parts: Mapping[str, Array],
    tensor: Array,
    name: str,
    count_read: Callable[[int], None],
) -> Compressed:
    """Compare a compressed constant with the tensor it was made from.

    Args:
        operation: the `constexpr_` operation.
        parts: its arguments by name, as `read` reads them.
        tensor: the checkpoint's tensor, with the same number of elements.
        name: the name of that tensor.
        count_read: is told the bytes of the tensor, block by block as they are read.

    Raises:
        ParityError: the arguments do not fit each other, or the tensor.
        UnsupportedError: this form of compression cannot be audited.
    """
    import numpy as np

    if operation.type not in _FORMS:
        raise UnsupportedError(f"{operation.type} cannot be audited")
    kind = operation.outputs[0].type
    is_half = isinstance(kind, TensorType) and kind.dtype is DataType.FLOAT16
    form = _FORMS[operation.type](parts, tensor.size)
    numbers = Numbers(tensor.reshape(-1), np.float16 if is_half else np.float32, count_read)
    tally = compare(form, numbers)
    rms, span = math.sqrt(tally.squares / tensor.size), tally.highest - tally.lowest
    return Compressed(
        tensor=name,
        method=form.method,
        psnr=20 * math.log10(span / rms) if rms > 0 and span > 0 else IDENTICAL,
        wrong=tally.wrong,
        is_nearest=form.rounds and tally.is_nearest,
    )


def constants_of(block: Block) -> Mapping[str, Value]:
    """Return the value of each `const` of a block, by name."""
    return {
        item.outputs[0].name: item.attributes["val"]
        for item in block.operations
        if item.type == "const"
    }


def arguments(operation: Operation, constants: Mapping[str, Value]) -> dict[str, Value]:
    """Return the arguments of a `constexpr_` operation, whether they are inputs or attributes.

    `constants` are what `constants_of` returns for the block.
    """
    values = {name: value for name, value in operation.attributes.items() if name != "name"}
    for name, (binding, *_) in operation.inputs.items():
        values[name] = binding if isinstance(binding, Value) else constants[binding]
    return values


def read(value: Value, storage: BlobStorage) -> Array:
    """Read an argument of a `constexpr_` operation.

    Unsigned integers of less than a byte are left packed, as flat bytes, since there are so many.
    """
    dtype, _ = tensor_type(value)
    is_packed = dtype in PACKED and dtype is not DataType.INT4
    return stored_bytes(value, storage) if is_packed else array(value, storage)


def _palette(parts: Mapping[str, Array], count: int) -> Palette:
    """Read codes and one table, or a table for each group of output channels."""
    lut = parts["lut"]
    groups = 1
    if "shape" not in parts:
        groups = math.prod(lut.shape[:-2])
        if lut.shape[-1] != 1 or groups != lut.shape[0]:
            raise UnsupportedError(
                "only palettes of single numbers, grouped along the first axis, can be audited"
            )
    tables = lut.reshape(groups, -1)
    bits = tables.shape[1].bit_length() - 1
    if tables.shape[1] != 1 << bits or count % groups:
        raise UnsupportedError(f"a table of shape {lut.shape} cannot be audited")
    codes = _fill(parts["indices"], bits, count)
    return Palette(codes=codes, tables=tables, bits=bits, count=count)


def _fill(packed: Array, bits: int, count: int) -> Array:
    """Return the packed codes, flat, after checking that they hold `count` codes."""
    flat = packed.reshape(-1)
    if flat.size != -(-count * bits // 8):
        raise ParityError(f"{flat.size} bytes do not hold {count} codes of {bits} bits")
    return flat


def _affine(parts: Mapping[str, Array], count: int) -> Linear:
    """Read codes with a scale and a zero point, for all numbers or along one axis."""
    codes = parts["quantized_data"]
    along = [1] * codes.ndim
    along[int(parts["axis"])] = -1
    scale, zero = (
        part.reshape(along if part.ndim else [1] * codes.ndim)
        for part in (parts["scale"], parts["zero_point"])
    )
    return _linear(codes, scale, zero, count)


def _blockwise(parts: Mapping[str, Array], count: int) -> Linear:
    """Read codes with a scale and an optional offset along any axes."""
    import numpy as np

    codes, scale = parts["data"], parts["scale"]
    zero = parts.get("offset", np.zeros((1,) * codes.ndim, np.float32))
    for part in (scale, zero):
        sizes = zip(part.shape, codes.shape, strict=False)
        if part.ndim != codes.ndim or any(size not in (1, whole) for size, whole in sizes):
            raise UnsupportedError("a scale for each block of channels cannot be audited")
    return _linear(codes, scale, zero, count)


def _linear(codes: Array, scale: Array, zero: Array, count: int) -> Linear:
    import numpy as np

    if codes.size != count:
        raise ParityError(f"there are {codes.size} codes for {count} numbers")
    return Linear(codes=codes, scale=scale.astype(np.float32), zero=zero.astype(np.float32))


def _sparse(parts: Mapping[str, Array], count: int) -> Sparse:
    """Read a mask and the numbers that are kept exactly; the others are zero."""
    import numpy as np

    kept = parts["nonzero_data"].reshape(-1).astype(np.float32)
    return Sparse(mask=_fill(parts["mask"], 1, count), kept=kept, count=count)


_FORMS: Mapping[str, Callable[[Mapping[str, Array], int], Form]] = {
    "constexpr_affine_dequantize": _affine,
    "constexpr_blockwise_shift_scale": _blockwise,
    "constexpr_lut_to_dense": _palette,
    "constexpr_sparse_to_dense": _sparse,
}

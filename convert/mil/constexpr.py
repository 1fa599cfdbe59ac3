"""Decompresses constants, as a device does when it loads or runs a model.

The iOS 16 forms keep bit-packed bytes and a `shape`; the iOS 18 forms have tensors of 1 to 8 bit
elements, and a table or a scale for each block of the data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from sdcoreml.convert.mil.arguments import Arguments, Kernel
from sdcoreml.convert.storage.elements import unpack
from sdcoreml.ground.errors import ParityError


def lut_to_dense(args: Arguments) -> torch.Tensor:
    """Look up the entries of the table `lut` at `indices`."""
    if "shape" in args:
        return _unpack_lut(args)
    indices, lut = args["indices"], args["lut"]
    entries, width = lut.shape[-2:]
    groups = _groups(indices.shape, lut.shape[:-2])
    flat = (groups * entries + indices.int()).reshape(-1)
    picked = lut.reshape(-1, width).index_select(0, flat)
    if width == 1:
        return picked.reshape(indices.shape)
    axis = args.integer("vector_axis") % indices.dim()
    vectors = picked.reshape(*indices.shape, width).movedim(-1, axis + 1)
    return vectors.flatten(axis, axis + 1)


def _unpack_lut(args: Arguments) -> torch.Tensor:
    lut, shape = args["lut"].reshape(-1), args.integers("shape")
    bits = lut.numel().bit_length() - 1
    if lut.numel() != 1 << bits:
        raise ParityError(f"the table has {lut.numel()} entries, which is not a power of two")
    codes = _unpack(args["indices"], bits, math.prod(shape))
    return lut.index_select(0, codes.int()).reshape(shape)


def affine_dequantize(args: Arguments) -> torch.Tensor:
    """Compute `(quantized_data - zero_point) * scale`, with scale and zero point along `axis`."""
    data = args["quantized_data"]
    shape = [1] * data.dim()
    shape[args.integer("axis")] = -1
    scale, zero = (
        part.reshape(shape) if part.dim() else part
        for part in (args["scale"].float(), args["zero_point"].float())
    )
    return (data.float() - zero) * scale


def blockwise_shift_scale(args: Arguments) -> torch.Tensor:
    """Compute `(data - offset) * scale`, with a scale and an offset for each block of `data`."""
    data = args["data"].float()
    offset = args.get("offset")
    if offset is not None:
        data = data - _spread(offset.float(), data.shape)
    return data * _spread(args["scale"].float(), data.shape)


def sparse_to_dense(args: Arguments) -> torch.Tensor:
    """Place `nonzero_data`, in order, where `mask` is set, and zero elsewhere."""
    values, mask = args["nonzero_data"], args["mask"]
    if "shape" in args:
        shape = args.integers("shape")
        mask = _unpack(mask, 1, math.prod(shape)).reshape(shape)
    if int(mask.sum()) != values.numel():
        raise ParityError(
            f"the mask selects {int(mask.sum())} elements, but there are {values.numel()} values"
        )
    dense = torch.zeros(mask.shape, dtype=values.dtype)
    dense[mask.bool()] = values
    return dense


def cast(args: Arguments) -> torch.Tensor:
    """Cast `source_val` to a wider type."""
    return args["source_val"].float()


def _unpack(packed: torch.Tensor, bits: int, count: int) -> torch.Tensor:
    raw = packed.reshape(-1).numpy()
    if raw.size != -(-count * bits // 8):
        raise ParityError(f"{raw.size} bytes do not hold {count} codes of {bits} bits")
    return torch.from_numpy(unpack(raw, bits, count).copy())


def _groups(shape: torch.Size, blocks: torch.Size) -> torch.Tensor:
    """Return, for each element, the row-major number of its block among `blocks`."""
    number = torch.zeros((), dtype=torch.int32)
    for axis, (size, count) in enumerate(zip(shape, blocks, strict=True)):
        place = torch.arange(size, dtype=torch.int32) // (size // count)
        aligned = place.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        number = number * count + aligned
    return number.expand(shape)


def _spread(blocks: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Repeat each block's value for all elements of the block."""
    for axis, size in enumerate(shape):
        if blocks.shape[axis] not in {1, size}:
            blocks = blocks.repeat_interleave(size // blocks.shape[axis], axis)
    return blocks


OPERATIONS: Mapping[str, Kernel] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_cast": cast,
    "constexpr_lut_to_dense": lut_to_dense,
    "constexpr_sparse_to_dense": sparse_to_dense,
}

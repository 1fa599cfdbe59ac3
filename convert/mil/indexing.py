"""Operations that select elements: slices and gathers."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sdcoreml.convert.mil.arguments import Arguments, Kernel
from sdcoreml.ground.errors import ParityError, UnsupportedError


def slice_by_index(args: Arguments) -> torch.Tensor:
    """Take `x[begin:end:stride]` in each dimension.

    `begin_mask` and `end_mask` select from the start or to the end of a dimension. `squeeze_mask`
    selects one position and removes the dimension.
    """
    x = args["x"]
    begin, end = args.integers("begin"), args.integers("end")
    zeros = [0] * x.dim()
    strides = args.integers("stride", [1] * x.dim())
    open_begin, open_end = args.integers("begin_mask", zeros), args.integers("end_mask", zeros)
    single = args.integers("squeeze_mask", zeros)
    for axis in reversed(range(x.dim())):
        if single[axis]:
            x = x.select(axis, begin[axis])
            continue
        first = None if open_begin[axis] else begin[axis]
        last = None if open_end[axis] else end[axis]
        x = _slice(x, axis, slice(first, last, strides[axis]))
    return x


def _slice(x: torch.Tensor, axis: int, part: slice) -> torch.Tensor:
    """Slice one dimension, with Python's meaning of negative bounds and strides."""
    start, stop, step = part.indices(x.shape[axis])
    if step < 0:
        return x.index_select(axis, torch.arange(start, stop, step))
    index = [slice(None)] * x.dim()
    index[axis] = slice(start, stop, step)
    return x[tuple(index)]


def slice_by_size(args: Arguments) -> torch.Tensor:
    """Take `size` positions from `begin` in each dimension; a size of -1 takes the rest."""
    x = args["x"]
    for axis, (first, size) in enumerate(
        zip(args.integers("begin"), args.integers("size"), strict=True)
    ):
        x = x.narrow(axis, first, x.shape[axis] - first if size == -1 else size)
    return x


def gather(args: Arguments) -> torch.Tensor:
    """Take elements along `axis`; the dimensions of `indices` replace that dimension."""
    x = args["x"]
    axis = args.integer("axis", 0) % x.dim()
    _refuse_batches(args, "gather")
    indices = _positions(args["indices"], x.shape[axis], "gather")
    picked = x.index_select(axis, indices.reshape(-1))
    return picked.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def gather_nd(args: Arguments) -> torch.Tensor:
    """Take the elements or slices of `x` at the coordinates in the last dimension of `indices`."""
    x = args["x"]
    _refuse_batches(args, "gather_nd")
    coordinates = [
        _positions(part, x.shape[axis], "gather_nd")
        for axis, part in enumerate(args["indices"].unbind(-1))
    ]
    return x[tuple(coordinates)]


def gather_along_axis(args: Arguments) -> torch.Tensor:
    """Take, for each position of `indices`, the element of `x` with that index on `axis`."""
    x, axis = args["x"], args.integer("axis", 0)
    return torch.gather(x, axis, _positions(args["indices"], x.shape[axis], "gather_along_axis"))


def _positions(indices: torch.Tensor, size: int, operation: str) -> torch.Tensor:
    """Convert indices to int64, counted from the start.

    Core ML does not check indices: on a device, one out of range reads unrelated memory.
    """
    indices = indices.long()
    indices = torch.where(indices < 0, indices + size, indices)
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < size:
        raise ParityError(
            f"{operation} has indices {int(indices.min())} to {int(indices.max())} for size {size}"
        )
    return indices


def _refuse_batches(args: Arguments, operation: str) -> None:
    if args.integer("batch_dims", 0):
        raise UnsupportedError(f"{operation} with batch_dims is not implemented")


OPERATIONS: Mapping[str, Kernel] = {
    "gather": gather,
    "gather_along_axis": gather_along_axis,
    "gather_nd": gather_nd,
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
}

"""Describes a tensor in a file: its name, type, shape, and the location of its bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.weights.dtypes import SIZES
from sdcoreml.ground.errors import BadInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """One tensor in one file, of which only the description has been read.

    `start` is the absolute offset in bytes of the first element; `stride` counts elements per
    dimension and is `None` for a tensor whose elements lie in row-major order without gaps.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    start: int
    stride: tuple[int, ...] | None = None

    def rename(self, name: str) -> TensorInfo:
        """Return the same tensor under another name; `replace` takes thrice as long."""
        return TensorInfo(
            name=name,
            dtype=self.dtype,
            shape=self.shape,
            path=self.path,
            start=self.start,
            stride=self.stride,
        )

    @property
    def numel(self) -> int:
        """The number of elements; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The size in bytes of the elements in row-major order."""
        return self.numel * SIZES[self.dtype]

    @property
    def reach(self) -> int:
        """Bytes from the first element to the end of the last one, gaps included."""
        if self.stride is None or not self.numel:
            return self.nbytes
        last = sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        return (last + 1) * SIZES[self.dtype]


def is_contiguous(shape: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether `stride` (in elements) is row-major; dimensions of size 1 do not count."""
    if 0 in shape:
        return True
    expected = 1
    for size, step in zip(reversed(shape), reversed(stride), strict=True):
        if size == 1:
            continue
        if step != expected:
            return False
        expected *= size
    return True


def take_rows(tensor: TensorInfo, start: int, stop: int, name: str) -> TensorInfo:
    """Return rows `start` to `stop` of `tensor`, as a view of the same file."""
    row = tensor.stride[0] if tensor.stride else math.prod(tensor.shape[1:])
    return replace(
        tensor,
        name=name,
        shape=(stop - start, *tensor.shape[1:]),
        start=tensor.start + start * row * SIZES[tensor.dtype],
    )


def transpose(tensor: TensorInfo) -> TensorInfo:
    """Return the transposed matrix, as a view of the same file."""
    rows, columns = tensor.shape
    down, across = tensor.stride or (columns, 1)
    return replace(tensor, shape=(columns, rows), stride=(across, down))


def drop_kernel(tensor: TensorInfo) -> TensorInfo:
    """Return the matrix of a convolution whose kernel has size 1 in every dimension."""
    return replace(
        tensor, shape=tensor.shape[:2], stride=tensor.stride[:2] if tensor.stride else None
    )


def name_early_end(path: Path, tensor: str) -> BadInputError:
    """Return the error for a file that was truncated while being read."""
    return BadInputError(
        f"the file ended while tensor {tensor!r} was read",
        where=path,
        remedy="the file was changed meanwhile, try again",
    )

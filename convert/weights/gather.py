"""Reads the elements of a strided tensor in row-major order, a block at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sdcoreml.convert.weights.cast import as_floats
from sdcoreml.convert.weights.dtypes import SIZES
from sdcoreml.convert.weights.tensor import TensorInfo, name_early_end
from sdcoreml.convert.weights.transfer import BLOCK, ShortReadError
from sdcoreml.ground.files import open_regular

if TYPE_CHECKING:
    import numpy as np


HELD = 4 << 20
"""The number of bytes gathered at a time. A larger number means fewer passes over the tensor."""

PIECE = 512
"""Contiguous runs shorter than this many bytes are read together with the gaps between them."""


def gather(tensor: TensorInfo) -> Iterator[memoryview]:
    """Yield the tensor in blocks of at most `BLOCK` bytes, but at least one element.

    Blocks are read, not mapped, because truncating a mapped file would kill the process.

    Raises:
        BadInputError: the file ended early.
    """
    import numpy as np

    if not tensor.numel:
        return
    size = SIZES[tensor.dtype]
    strides = tuple(step * size for step in tensor.stride or _row_major(tensor.shape))
    with open_regular(tensor.path) as file:
        for offset, shape in _groups(tensor.shape, strides, size):
            group = np.empty(shape, f"<u{size}")
            try:
                _fill(group, file.fileno(), tensor.start + offset, strides[-len(shape) :])
            except ShortReadError:
                raise name_early_end(tensor.path, tensor.name) from None
            data = group.reshape(-1).view("u1").data
            yield from (data[start : start + BLOCK] for start in range(0, len(data), BLOCK))


def _fill(group: np.ndarray, source: int, start: int, strides: tuple[int, ...]) -> None:
    """Read the elements at `start` with these strides, in bytes, into `group`.

    A group that spans too many bytes is read in parts, split along the largest stride.
    """
    import numpy as np

    steps = [(step, axis) for axis, step in enumerate(strides) if group.shape[axis] > 1]
    span = group.itemsize + sum(step * (group.shape[axis] - 1) for step, axis in steps)
    if span <= HELD:
        data = os.pread(source, span, start)
        if len(data) != span:
            raise ShortReadError
        group[...] = np.ndarray(group.shape, group.dtype, data, strides=strides)
        return
    step, axis = max(steps)
    each = group.nbytes // group.shape[axis]
    count = 1 if each >= PIECE else max(1, HELD // step)
    for index in range(0, group.shape[axis], count):
        part = group[(slice(None),) * axis + (slice(index, index + count),)]
        _fill(part, source, start + index * step, strides)


def read_floats(tensor: TensorInfo) -> np.ndarray:
    """Read all elements of a floating-point `tensor` into memory, as float32."""
    import numpy as np

    data = b"".join(gather(tensor))
    return np.asarray(as_floats(data, tensor.dtype).astype("<f4").reshape(tensor.shape))


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps = [1]
    for size in reversed(shape[1:]):
        steps.append(steps[-1] * size)
    return tuple(reversed(steps)) if shape else ()


def _groups(
    shape: tuple[int, ...], strides: tuple[int, ...], size: int, start: int = 0
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Split a tensor into parts of at most `HELD` bytes; yield the start and shape of each.

    A part has some rows of one dimension and all of the dimensions after it.

    Args:
        shape: the shape of the tensor.
        strides: its strides, in bytes.
        size: the size of an element, in bytes.
        start: the offset of the tensor itself, in bytes.
    """
    nbytes = math.prod(shape) * size
    if nbytes <= HELD:
        yield start, shape
        return
    rows = HELD // (nbytes // shape[0])
    for row in range(0, shape[0], max(rows, 1)):
        offset = start + row * strides[0]
        if rows:
            yield offset, (min(rows, shape[0] - row), *shape[1:])
        else:
            yield from _groups(shape[1:], strides[1:], size, offset)

"""The elements of a strided tensor in row-major order, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from convert.weights.cast import as_floats
from convert.weights.dtypes import SIZES
from convert.weights.tensor import TensorInfo
from convert.weights.transfer import BLOCK

if TYPE_CHECKING:
    import numpy as np


def gather(tensor: TensorInfo) -> Iterator[memoryview]:
    """Blocks of at most `BLOCK` bytes (one element at least) that together are the whole tensor."""
    import numpy as np

    if not tensor.numel:
        return
    size = SIZES[tensor.dtype]
    stride = tensor.stride or _row_major(tensor.shape)
    mapped = np.memmap(
        tensor.path, f"<u{size}", "r", offset=tensor.start, shape=(tensor.reach // size,)
    )
    view = np.lib.stride_tricks.as_strided(
        mapped, tensor.shape, [step * size for step in stride], writeable=False
    )
    for block in _blocks(view):
        yield block.reshape(-1).view("u1").data


def read_floats(tensor: TensorInfo) -> np.ndarray:
    """All elements of a floating-point `tensor`, as float32 in its shape. Holds it in memory."""
    import numpy as np

    data = b"".join(gather(tensor))
    return np.asarray(as_floats(data, tensor.dtype).astype("<f4").reshape(tensor.shape))


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps = [1]
    for size in reversed(shape[1:]):
        steps.append(steps[-1] * size)
    return tuple(reversed(steps)) if shape else ()


def _blocks(view: np.ndarray) -> Iterator[np.ndarray]:
    import numpy as np

    if view.nbytes <= BLOCK or not view.ndim:
        yield np.ascontiguousarray(view)
        return
    rows = BLOCK // (view.nbytes // len(view))
    if not rows:
        for row in view:
            yield from _blocks(row)
        return
    for start in range(0, len(view), rows):
        yield np.ascontiguousarray(view[start : start + rows])

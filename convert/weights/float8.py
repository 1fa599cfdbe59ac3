"""Widens 8-bit floats to float16, which is exact."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sdcoreml.convert.weights.cast import cast_block
from sdcoreml.convert.weights.dtypes import FLOATS8
from sdcoreml.convert.weights.gather import gather
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import Computed


def widen(tensor: TensorInfo | Computed) -> TensorInfo | Computed:
    """Widen an 8-bit float tensor to float16; return other tensors unchanged."""
    if isinstance(tensor, Computed) or tensor.dtype not in FLOATS8:
        return tensor
    return Computed(
        name=tensor.name, dtype="F16", shape=tensor.shape, blocks=partial(_blocks, tensor)
    )


def _blocks(tensor: TensorInfo) -> Iterator[memoryview]:
    for block in gather(tensor):
        yield cast_block(block, tensor.dtype, "F16")[0]

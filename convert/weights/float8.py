"""The 8-bit floats: every number of theirs is one of float16, so they are widened when read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from sdcoreml.convert.weights.cast import cast_block
from sdcoreml.convert.weights.dtypes import FLOATS8
from sdcoreml.convert.weights.gather import gather
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import Computed
from sdcoreml.ground.errors import Fault, UnsupportedError

_SCALES = re.compile(r"(^|\.)(scale_weight|weight_scale(_\d)?|scaled_fp8|comfy_quant)$")
"""Names of the factors by which quantised weights have to be multiplied: ComfyUI's, old and new."""


def widen(tensor: TensorInfo | Computed) -> TensorInfo | Computed:
    """The tensor as float16 if it is an 8-bit float, otherwise as it is."""
    if isinstance(tensor, Computed) or tensor.dtype not in FLOATS8:
        return tensor
    return Computed(
        name=tensor.name, dtype="F16", shape=tensor.shape, blocks=partial(_blocks, tensor)
    )


def _blocks(tensor: TensorInfo) -> Iterator[memoryview]:
    for block in gather(tensor):
        yield cast_block(block, tensor.dtype, "F16")[0]


def refuse_scaled(names: Iterable[str], path: Path) -> Fault | None:
    """Why weights that are scaled cannot be read, if there are any."""
    found = next((name for name in names if _SCALES.search(name)), "")
    if not found:
        return None
    what = f"its weights are 8-bit with scales beside them ({found}), which are not read here"
    remedy = "take the model's float16 or float32 version"
    return Fault(where=path, what=what, remedy=remedy, error=UnsupportedError)

"""Recognises quantised weights (packed integers, scaled floats), which cannot be read here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sdcoreml.convert.weights.dtypes import FLOATS
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.errors import Fault, UnsupportedError

_SCALES = re.compile(r"(^|\.)(scale_weight|weight_scale(_\d)?|scaled_fp8|comfy_quant)$")
"""Names of the factors for 8-bit floats: ComfyUI's, old and new."""

_PACKED = re.compile(
    r"\.(absmax|quant_map|nested_absmax|quant_state\.\w+|SCB|weight_scb|weight_format"
    r"|qweight|qzeros)$"
)
"""Names of the tensors that bitsandbytes, GPTQ and AWQ add to or use instead of packed integers."""

_LEARNT = (".weight", ".bias")


def refuse_quantised(tensors: Iterable[TensorInfo], path: Path) -> Fault | None:
    """Return the fault if these weights are quantised and so cannot be read."""
    found = tuple(tensors)
    scales = (tensor.name for tensor in found if _SCALES.search(tensor.name))
    packed = (tensor for tensor in found if _PACKED.search(tensor.name) or _is_integer(tensor))
    if scale := next(scales, ""):
        what = f"8-bit with scales beside them ({scale})"
    elif one := next(packed, None):
        what = f"in a quantised format ({one.name} is of type {one.dtype})"
    else:
        return None
    what = f"its weights are {what}, which is not read here"
    remedy = "take the model's float16 or float32 version"
    return Fault(where=path, what=what, remedy=remedy, error=UnsupportedError)


def _is_integer(tensor: TensorInfo) -> bool:
    return tensor.name.endswith(_LEARNT) and tensor.dtype not in FLOATS

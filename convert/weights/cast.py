"""Floating-point casts of raw blocks, with the rounding of PyTorch: to nearest, ties to even."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convert.weights.dtypes import NUMPY

if TYPE_CHECKING:
    import numpy as np


def cast_block(data: memoryview | bytes, source: str, target: str) -> tuple[memoryview, int]:
    """The elements of `data` (of type `source`) as type `target`, and how many overflowed.

    An overflow is a finite value that became infinite.
    """
    values = as_floats(data, source)
    result = _to_bfloat16(values) if target == "BF16" else _to_numpy_type(values, target)
    return result.data.cast("B"), _overflows(values, result, target)


def as_floats(data: memoryview | bytes, source: str) -> np.ndarray:
    """The elements of `data` as a numpy array; BF16 widened to float32, which is exact."""
    import numpy as np

    if source == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, NUMPY[source])


def _to_numpy_type(values: np.ndarray, target: str) -> np.ndarray:
    import numpy as np

    with np.errstate(over="ignore"):
        # PyTorch narrows a double by way of float32; rounding twice must be repeated to match it.
        if target == "F16" and values.dtype.itemsize > 4:  # noqa: PLR2004  bytes of float32
            values = values.astype("<f4")
        return np.asarray(values.astype(NUMPY[target]))


def _to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The upper half of float32, rounded; every NaN becomes 0x7FC0, as in PyTorch."""
    import numpy as np

    with np.errstate(over="ignore"):
        bits = values.astype("<f4", copy=False).view("<u4")
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1)).astype("<u4")) >> 16).astype("<u2")
    rounded[(bits & 0x7FFFFFFF) > 0x7F800000] = 0x7FC0  # noqa: PLR2004  the bits of infinity
    return np.asarray(rounded)


def _overflows(values: np.ndarray, result: np.ndarray, target: str) -> int:
    import numpy as np

    infinite = (result & 0x7FFF) == 0x7F80 if target == "BF16" else np.isinf(result)  # noqa: PLR2004
    return int((infinite & np.isfinite(values)).sum()) if infinite.any() else 0

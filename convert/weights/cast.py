"""Casts raw blocks of floats, rounding like PyTorch: to nearest, ties to even."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sdcoreml.convert.weights.dtypes import FLOATS8, NUMPY, SIZES

if TYPE_CHECKING:
    import numpy as np

_INFINITE = {"F16": 0x7C00, "BF16": 0x7F80}
"""The bits of infinity, without the sign."""

_HALF_OVERFLOWS = 0x477FF000
"""The bits of 65520 as a float32; from this value on, numbers round to infinity in float16."""

_HALF_BIAS = 0x800
"""Added so that the low 16 bits, whose exponent is 126 << 10 too large, have float16's exponent."""

_PIECE = 1 << 15
"""The number of elements cast at a time; their few copies fit the cache."""


def cast_block(data: memoryview | bytes, source: str, target: str) -> tuple[memoryview, int]:
    """Cast the elements of `data` from type `source` to `target`, and count overflows.

    An overflow is a finite value that becomes infinite.
    """
    import numpy as np

    whole, step = memoryview(data), SIZES[source] * _PIECE
    result = np.empty(len(whole) // SIZES[source], NUMPY.get(target, "<u2"))
    overflows = 0
    for number, start in enumerate(range(0, len(whole), step)):
        values = as_floats(whole[start : start + step], source)
        piece = _cast(values, target)
        result[number * _PIECE : (number + 1) * _PIECE] = piece
        overflows += _overflows(values, piece, target)
    return result.data.cast("B"), overflows


def as_floats(data: memoryview | bytes, source: str) -> np.ndarray:
    """Return the elements of `data` as a numpy array.

    BF16 and the 8-bit floats are widened to float32, which is exact.
    """
    import numpy as np

    if source in FLOATS8:
        return np.asarray(_float8_values(source)[np.frombuffer(data, "u1")])
    if source == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, NUMPY[source])


@cache
def _float8_values(source: str) -> np.ndarray:
    """Return the value of each byte; E5M2 is the upper half of a float16, E4M3 has no infinity."""
    import numpy as np

    codes = np.arange(256, dtype="<u2")
    if source == "F8_E5M2":
        return np.asarray((codes << 8).view("<f2").astype("<f4"))
    exponent, mantissa = (codes >> 3 & 15).astype(int), (codes & 7).astype("<f4")
    values = np.where(
        exponent > 0, np.ldexp(1 + mantissa / 8, exponent - 7), np.ldexp(mantissa / 8, -6)
    )
    values[codes & 127 == 127] = np.nan  # noqa: PLR2004  all bits but the sign
    return np.asarray(np.where(codes > 127, -values, values), "<f4")  # noqa: PLR2004  the sign


def _cast(values: np.ndarray, target: str) -> np.ndarray:
    if target == "BF16":
        return _to_bfloat16(values)
    is_single = values.dtype.itemsize == SIZES["F32"]
    return _to_half(values) if target == "F16" and is_single else _to_numpy_type(values, target)


def _to_numpy_type(values: np.ndarray, target: str) -> np.ndarray:
    import numpy as np

    with np.errstate(over="ignore"):
        # PyTorch narrows a double by way of float32; rounding twice must be repeated to match it.
        if target == "F16" and values.dtype.itemsize > 4:  # noqa: PLR2004  bytes of float32
            values = values.astype("<f4")
        return np.asarray(values.astype(NUMPY[target]))


def _to_half(values: np.ndarray) -> np.ndarray:
    """Cast float32 to F16 like `_to_numpy_type`, in half the time.

    Adding 2^13 times the power of two at or below a value leaves exactly the ten highest bits of
    its mantissa, rounded to even by the processor; powers below float16's smallest normal are
    replaced by it, which gives subnormals. The low half of the sum, plus the shifted exponent, is
    the float16. NaN and values that overflow are left to numpy.
    """
    import numpy as np

    bits = values.view("<u4")
    size = bits & 0x7FFFFFFF
    if size.max(initial=0) >= _HALF_OVERFLOWS:
        return _to_numpy_type(values, "F16")
    power = bits & 0x7F800000
    np.maximum(power, (127 - 14) << 23, out=power)
    power += (13 << 23) + _HALF_BIAS
    total = size.view("<f4")
    total += power.view("<f4")
    power >>= 13
    power += size  # the bits of `total`, which lies in the same memory
    sign = bits >> 16
    sign &= 0x8000
    power += sign
    return np.asarray(power.astype("<u2")).view("<f2")


def _to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Return the upper half of float32, rounded; every NaN becomes 0x7FC0, as in PyTorch."""
    import numpy as np

    with np.errstate(over="ignore"):
        bits = values.astype("<f4", copy=False).view("<u4")
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1)).astype("<u4")) >> 16).astype("<u2")
    rounded[(bits & 0x7FFFFFFF) > 0x7F800000] = 0x7FC0  # noqa: PLR2004  the bits of infinity
    return np.asarray(rounded)


def _overflows(values: np.ndarray, result: np.ndarray, target: str) -> int:
    import numpy as np

    # Looking at bits is ten times faster than numpy's isinf of a float16.
    if found := _INFINITE.get(target):
        infinite = (result.view("<u2") & 0x7FFF) == found
    else:
        infinite = np.isinf(result)
    return int((infinite & np.isfinite(values)).sum()) if infinite.any() else 0

"""Element types: their torch types, and the type that an operation's result must have."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import torch

from sdcoreml.convert.mil.arguments import Arguments
from sdcoreml.convert.spec.model import DataType
from sdcoreml.ground.errors import ParityError, UnsupportedError


class Mode(Enum):
    """The precision that a program runs in."""

    FP32 = "fp32"
    """Half-precision values are held in float32, to show whether graph and weights are correct."""
    FP16 = "fp16"
    """Each operation computes in float32 and rounds its result to the declared type.

    This shows the error of half precision on a device that accumulates in float32.
    """


TORCH: Mapping[DataType, torch.dtype] = {
    DataType.BOOL: torch.bool,
    DataType.FLOAT16: torch.float16,
    DataType.FLOAT32: torch.float32,
    DataType.FLOAT64: torch.float64,
    DataType.BFLOAT16: torch.bfloat16,
    DataType.INT4: torch.int8,
    DataType.INT8: torch.int8,
    DataType.INT16: torch.int16,
    DataType.INT32: torch.int32,
    DataType.INT64: torch.int64,
    DataType.UINT1: torch.uint8,
    DataType.UINT2: torch.uint8,
    DataType.UINT3: torch.uint8,
    DataType.UINT4: torch.uint8,
    DataType.UINT6: torch.uint8,
    DataType.UINT8: torch.uint8,
    DataType.UINT16: torch.int32,
    DataType.UINT32: torch.int64,
}
"""The torch type that holds each element type.

torch has no unsigned type wider than a byte, so values of such types are held in the next wider
signed type.
"""

CASTS: Mapping[str, DataType] = {
    "bool": DataType.BOOL,
    "fp16": DataType.FLOAT16,
    "fp32": DataType.FLOAT32,
    "int8": DataType.INT8,
    "int16": DataType.INT16,
    "int32": DataType.INT32,
    "uint8": DataType.UINT8,
    "uint16": DataType.UINT16,
}

_HALVES = frozenset({DataType.FLOAT16, DataType.BFLOAT16})
_TO_BOOL = frozenset(
    {
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *("logical_and", "logical_or", "logical_xor", "logical_not"),
    }
)
_TO_INT32 = frozenset({"reduce_argmax", "reduce_argmin", "shape"})
_ALIKE = (("x", "y"), ("a", "b"))
_MIXED = frozenset({"matmul"})  # the iOS 17 form multiplies by constants of another type
_SOURCES = ("x", "values", "a", "query", "value", "start", "lut", "scale", "nonzero_data")


def choose_dtype(kind: DataType, mode: Mode) -> torch.dtype:
    """Return the torch type for values of an element type."""
    if kind in _HALVES and mode is Mode.FP32:
        return torch.float32
    if kind not in TORCH:
        raise UnsupportedError(f"values of {kind.name} are not implemented")
    return TORCH[kind]


def result_kind(operation: str, args: Arguments) -> DataType | None:
    """Return the element type of an operation's results; `None` if its parameters determine it.

    Raises:
        ParityError: operands that must have the same type do not.
    """
    if operation in _TO_BOOL:
        return DataType.BOOL
    if operation == "cast":
        return CASTS[args.text("dtype")]
    if "output_dtype" in args:
        return None
    if operation in _TO_INT32:
        return DataType.INT32
    if operation not in _MIXED:
        _demand_alike(args)
    return next((args.kinds[name] for name in _SOURCES if name in args.kinds), None)


def _demand_alike(args: Arguments) -> None:
    for one, other in _ALIKE:
        if one in args.kinds and other in args.kinds and args.kinds[one] != args.kinds[other]:
            raise ParityError(
                f"operands {one} ({args.kinds[one].name}) and {other} ({args.kinds[other].name})"
                " are of different types"
            )

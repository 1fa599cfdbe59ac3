"""All operations that the interpreter implements, by their names in programs."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sdcoreml.convert.mil import (
    constexpr,
    convolution,
    elementwise,
    indexing,
    linear,
    reduction,
    shape,
)
from sdcoreml.convert.mil.arguments import Arguments, Kernel
from sdcoreml.convert.mil.kinds import CASTS, TORCH


def cast(args: Arguments) -> torch.Tensor:
    """Cast `x` to another type; real numbers are truncated to integers.

    Rounding to half precision is left to the interpreter, which rounds every result.
    """
    target = TORCH[CASTS[args.text("dtype")]]
    return args["x"].float() if target.is_floating_point else args["x"].to(target)


OPERATIONS: Mapping[str, Kernel] = {
    "cast": cast,
    **constexpr.OPERATIONS,
    **convolution.OPERATIONS,
    **elementwise.OPERATIONS,
    **indexing.OPERATIONS,
    **linear.OPERATIONS,
    **reduction.OPERATIONS,
    **shape.OPERATIONS,
}

EXACT = frozenset({*indexing.OPERATIONS, *shape.OPERATIONS})
"""Operations that only move values, and so need no wider precision."""

UNBOUNDED = (
    OPERATIONS.keys()
    - EXACT
    - {*("cos", "erf", "gelu", "relu", "sigmoid", "silu", "sin", "softmax", "tanh")}
)
"""Operations whose results may be infinite or NaN although their arguments are finite."""

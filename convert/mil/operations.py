"""Every operation that the interpreter knows, by the name that programs give it."""

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
    """`x` in another type; real numbers lose their fraction on the way to integers.

    Rounding to half precision is left to the interpreter, which does it for every result.
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
"""Operations that move values without computing: they need no wider precision."""

UNBOUNDED = (
    OPERATIONS.keys()
    - EXACT
    - {*("cos", "erf", "gelu", "relu", "sigmoid", "silu", "sin", "softmax", "tanh")}
)
"""Operations whose results may be infinite or no numbers although their arguments are finite."""

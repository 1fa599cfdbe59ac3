"""Counts the operations of a compiled model by keys such as `Ios16.einsum` and `Transpose`.

A key's prefix is the newest opset, up to the function's own, in which Apple's operation registry
redeclares the operation. If iOS 15's declaration is still valid, there is no prefix. Apple's
registry differs from coremltools'. Apps read these keys: Mochi Diffusion and Guernika recognise a
model for the Neural Engine by `Ios16.einsum`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sdcoreml.convert.spec.model import Function

EINSUM = "Ios16.einsum"

IOS16 = frozenset(
    {
        # Seen in compiled models.
        *("add", "avg_pool", "batch_norm", "cast", "clip", "conv", "cos", "cumsum", "einsum"),
        *("fill_like", "gelu", "linear", "lstm", "matmul", "mul", "pow", "real_div"),
        *("reduce_argmax", "reduce_max", "reduce_mean", "reduce_sum", "relu", "reshape", "rsqrt"),
        *("sigmoid", "silu", "sin", "softmax", "sqrt", "square", "sub", "upsample_bilinear"),
        *("constexpr_affine_dequantize", "constexpr_lut_to_dense", "constexpr_sparse_to_dense"),
        # Seen in Apple's compiled models of padded encoders and safety checkers.
        *("gather_nd", "greater", "scatter_nd"),
        # Inferred: related operations are redeclared there.
        *("abs", "constexpr_cast", "exp", "gather", "layer_norm", "tanh"),
    }
)

IOS17 = frozenset(
    {
        *("abs", "add", "atan", "cast", "clip", "concat", "conv", "equal", "expand_dims", "floor"),
        *("floor_div", "gather", "gather_along_axis", "greater", "greater_equal", "instance_norm"),
        *("layer_norm", "less", "linear", "log", "logical_and", "logical_not", "lstm", "matmul"),
        *("maximum", "minimum", "mul", "pow", "real_div", "reduce_argmax", "reshape", "sin"),
        *("slice_by_index", "sqrt", "squeeze", "sub", "tanh", "topk", "transpose"),
    }
)
"""Operations redeclared in iOS 17, all seen in compiled models."""

IOS18 = frozenset(
    {
        *("add", "cast", "concat", "conv", "equal", "expand_dims", "gather", "greater_equal"),
        *("layer_norm", "linear", "matmul", "mul", "relu", "reshape", "slice_by_index", "softmax"),
        *("constexpr_blockwise_shift_scale", "constexpr_lut_to_dense"),
        *("scaled_dot_product_attention", "transpose"),
    }
)
"""Operations redeclared in iOS 18; the list is incomplete.

`relu` was seen in a compiled model, the others only in compute plans, which name operations.
"""

GENERATIONS: Mapping[str, tuple[tuple[str, frozenset[str]], ...]] = {
    "CoreML5": (),
    "CoreML6": (("Ios16", IOS16),),
    "CoreML7": (("Ios17", IOS17), ("Ios16", IOS16)),
    "CoreML8": (("Ios18", IOS18), ("Ios17", IOS17), ("Ios16", IOS16)),
}
"""Maps the opset of a function to prefixes with their redeclared operations, newest first."""


def histogram(function: Function) -> Mapping[str, int]:
    """Count the operations of a function by key, sorted; constants are not counted."""
    counts = Counter(op.type for op in function.block.operations if op.type != "const")
    return dict(sorted((key(kind, function.opset), count) for kind, count in counts.items()))


def key(operation: str, opset: str) -> str:
    """Return the key of an operation in a function of this opset."""
    first, *rest = operation.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    for prefix, declared in GENERATIONS[opset]:
        if operation in declared:
            return f"{prefix}.{camel}"
    return camel[:1].upper() + camel[1:]

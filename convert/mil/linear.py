"""Operations that contract dimensions: matrix products, einsum, attention."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

from sdcoreml.convert.mil.arguments import Arguments, Kernel


def linear(args: Arguments) -> torch.Tensor:
    """Compute `x @ weight.T + bias`."""
    return functional.linear(args["x"], args["weight"], args.get("bias"))


def matmul(args: Arguments) -> torch.Tensor:
    """Multiply matrices over the last two dimensions, either operand transposed on request."""
    x, y = args["x"], args["y"]
    x = x.transpose(-1, -2) if args.flag("transpose_x") else x
    y = y.transpose(-1, -2) if args.flag("transpose_y") else y
    return torch.matmul(x, y)


def einsum(args: Arguments) -> torch.Tensor:
    """Compute the sum of products that `equation` describes."""
    equation, values = args.text("equation"), args.many("values")
    if equation == SCORES:
        # The softmax over keys that follows is many times faster if these lie side by side.
        keys, queries = values
        scores = torch.matmul(queries.permute(0, 2, 3, 1), keys.permute(0, 2, 3, 1))
        return scores.permute(0, 3, 1, 2)
    return torch.einsum(equation, *values)


SCORES = "bkhc,bchq->bkhq"
"""The equation of attention's scores, from keys (B, K, heads, c) and queries (B, c, heads, Q)."""

MIXED = "bchk,bkhq->bchq"
"""The equation of attention's results, from values (B, c, heads, K) and the softmax of scores."""


def scaled_dot_product_attention(args: Arguments) -> torch.Tensor:
    """Compute `softmax(query @ key.T / sqrt(depth) + attn_mask) @ value` (specification 9)."""
    return functional.scaled_dot_product_attention(
        args["query"], args["key"], args["value"], attn_mask=args.get("attn_mask")
    )


OPERATIONS: Mapping[str, Kernel] = {
    "einsum": einsum,
    "linear": linear,
    "matmul": matmul,
    "scaled_dot_product_attention": scaled_dot_product_attention,
}

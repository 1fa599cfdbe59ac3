"""Builds scaled dot-product attention in the layouts that the runtimes distinguish.

Queries are (B, C, 1, Q), keys and values (B, C, 1, K), with the heads side by side in C. Queries
are scaled before the product, because large products overflow float16.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sdcoreml.convert.programs.graph import Graph
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import add, concat, conv, mul, reshape, slice_axis, transpose
from sdcoreml.convert.programs.options import Attention, Precision

PIECE = 512
"""The number of queries that `SPLIT_EINSUM_V2` handles at a time."""

Layout: TypeAlias = Callable[[Graph, Var, Var, Var, int], Var]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projections:
    """A module's names for its four linear layers; the last always has a bias."""

    query: str = "to_q"
    key: str = "to_k"
    value: str = "to_v"
    out: str = "to_out.0"
    is_biased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The number of a module's heads, the layout of their products, and the names of its layers."""

    count: int
    layout: Layout
    names: Projections = Projections()


def attention(g: Graph, x: Var, context: Var, path: str, heads: Heads) -> Var:
    """Attend from `x` (B, C, 1, Q) to `context` (B, D, 1, K), which is `x` for self-attention."""
    names = heads.names
    channels = x.shape[1]
    q, k, v = (
        conv(g, source, f"{path}.{name}", channels, bias=names.is_biased)
        for source, name in ((x, names.query), (context, names.key), (context, names.value))
    )
    of_queries, of_keys = scales(channels // heads.count, g.options.precision)
    q = mul(g, q, g.number(of_queries))
    if of_keys != 1:
        k = mul(g, k, g.number(of_keys))
    return conv(g, heads.layout(g, q, k, v, heads.count), f"{path}.{names.out}", channels)


@functools.cache
def scales(width: int, precision: Precision) -> tuple[float, float]:
    """Return factors for queries and keys whose product is `width ** -0.5`.

    SD 1.x has heads of 40 features, whose scale is off by 2e-4 when rounded to float16. Where
    attention is sharp, that costs 20 dB and more. The product of two float16 numbers comes within
    4e-6. The factor for keys is 1 if the scale is exact, as for 64 features.
    """
    import numpy as np

    scale = width**-0.5
    if precision is Precision.FP32 or float(np.float16(scale)) == scale:
        return scale, 1.0
    keys = np.arange(1024, 2048) / np.float64(2048)  # every float16 from a half to one
    queries = (scale / keys).astype(np.float16).astype(np.float64)
    best = int(np.abs(queries * keys - scale).argmin())
    return float(queries[best]), float(keys[best])


def original(g: Graph, q: Var, k: Var, v: Var, heads: int) -> Var:
    """Lay out the heads as a separate dimension: two batched matrix products."""
    return mask_scores(None)(g, q, k, v, heads)


def mask_scores(mask: Var | None) -> Layout:
    """Return the layout `original` with `mask` (1, 1, Q, K) added to the scaled scores."""

    def layout(g: Graph, q: Var, k: Var, v: Var, heads: int) -> Var:
        batch, channels, _, queries = q.shape
        q, k, v = (reshape(g, t, batch, heads, channels // heads, t.shape[3]) for t in (q, k, v))
        scores = g.emit("matmul", x=q, y=k, transpose_x=True, transpose_y=False)
        if mask is not None:
            scores = add(g, scores, mask)
        weights = g.emit("softmax", x=scores, axis=3)
        mixed = g.emit("matmul", x=v, y=weights, transpose_x=False, transpose_y=True)
        return reshape(g, mixed, batch, channels, 1, queries)

    return layout


def split_einsum(g: Graph, q: Var, k: Var, v: Var, heads: int) -> Var:
    """Lay out attention as two `einsum` operations for each head."""
    return _split(g, (q, k, v), heads, q.shape[3])


def split_einsum_v2(g: Graph, q: Var, k: Var, v: Var, heads: int) -> Var:
    """Lay out attention like `split_einsum`, for `PIECE` queries at a time, or fewer at the end."""
    return _split(g, (q, k, v), heads, PIECE)


def _split(g: Graph, qkv: tuple[Var, Var, Var], heads: int, piece: int) -> Var:
    q, k, v = qkv
    width, queries = q.shape[1] // heads, q.shape[3]
    k = transpose(g, k, 0, 3, 2, 1)
    outputs = []
    for start in range(0, heads * width, width):
        stop = start + width
        qh, vh = slice_axis(g, q, 1, start, stop), slice_axis(g, v, 1, start, stop)
        kh = slice_axis(g, k, 3, start, stop)
        pieces = [
            _head(g, slice_axis(g, qh, 3, first, min(first + piece, queries)), kh, vh)
            for first in range(0, queries, piece)
        ]
        outputs.append(concat(g, pieces, 3))
    return concat(g, outputs, 1)


def _head(g: Graph, q: Var, k: Var, v: Var) -> Var:
    """Compute one head: q and v are (B, c, 1, ·), k is (B, K, 1, c).

    The operands are in the order of coremltools' PyTorch frontend.
    """
    scores = g.emit("einsum", values=[k, q], equation="bkhc,bchq->bkhq")
    weights = g.emit("softmax", x=scores, axis=1)
    mixed: Var = g.emit("einsum", values=[v, weights], equation="bchk,bkhq->bchq")
    return mixed


LAYOUTS: Mapping[Attention, Layout] = {
    Attention.ORIGINAL: original,
    Attention.SPLIT_EINSUM: split_einsum,
    Attention.SPLIT_EINSUM_V2: split_einsum_v2,
}

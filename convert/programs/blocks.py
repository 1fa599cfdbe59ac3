"""Blocks of UNets, ControlNets and autoencoders: residual blocks, transformers, embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from sdcoreml.convert.programs.attention import LAYOUTS, Heads, attention
from sdcoreml.convert.programs.graph import Graph
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import (
    SPATIAL,
    add,
    concat,
    conv,
    gelu,
    group_norm,
    layer_norm,
    mul,
    reshape,
    silu,
)
from sdcoreml.convert.spec.model import DataType

GROUPS_EPS = 1e-6
"""Epsilon of the group norm in front of a UNet's transformer (diffusers' Transformer2DModel)."""

PERIOD = 10000.0
"""The longest wavelength of a sinusoidal embedding, in steps, is this times 2π."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A group norm's number of groups and epsilon."""

    groups: int
    eps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformer:
    """The number of heads and blocks of a transformer, and the groups of the norm before it."""

    heads: int
    depth: int
    groups: int


def resnet(g: Graph, x: Var, time: Var | None, path: str, channels: int, norm: Norm) -> Var:
    """Add a residual block; `time` is the activated time embedding, (B, T, 1, 1)."""
    h = silu(g, group_norm(g, x, f"{path}.norm1", norm.groups, norm.eps))
    h = conv(g, h, f"{path}.conv1", channels, SPATIAL)
    if time is not None:
        h = add(g, h, conv(g, time, f"{path}.time_emb_proj", channels))
    h = silu(g, group_norm(g, h, f"{path}.norm2", norm.groups, norm.eps))
    h = conv(g, h, f"{path}.conv2", channels, SPATIAL)
    if x.shape[1] != channels:
        x = conv(g, x, f"{path}.conv_shortcut", channels)
    return add(g, x, h)


def transformer(g: Graph, x: Var, context: Var, path: str, shape: Transformer) -> Var:
    """Add blocks of self-attention, cross-attention and feed-forward over the pixels of `x`."""
    batch, channels, height, width = x.shape
    h = group_norm(g, x, f"{path}.norm", shape.groups, GROUPS_EPS)
    h = conv(g, h, f"{path}.proj_in", channels)
    h = reshape(g, h, batch, channels, 1, height * width)
    heads = Heads(count=shape.heads, layout=LAYOUTS[g.options.attention])
    for index in range(shape.depth):
        h = transformer_block(g, h, context, f"{path}.transformer_blocks.{index}", heads)
    h = reshape(g, h, batch, channels, height, width)
    return add(g, conv(g, h, f"{path}.proj_out", channels), x)


def transformer_block(g: Graph, x: Var, context: Var, path: str, heads: Heads) -> Var:
    """Add one transformer block; `x` is (B, C, 1, S)."""
    h = layer_norm(g, x, f"{path}.norm1")
    x = add(g, attention(g, h, h, f"{path}.attn1", heads), x)
    h = layer_norm(g, x, f"{path}.norm2")
    x = add(g, attention(g, h, context, f"{path}.attn2", heads), x)
    h = layer_norm(g, x, f"{path}.norm3")
    h = conv(g, h, f"{path}.ff.net.0.proj", 8 * x.shape[1])
    values, gates = g.emit("split", x=h, num_splits=2, axis=1)
    h = mul(g, values, gelu(g, gates))
    return add(g, conv(g, h, f"{path}.ff.net.2", x.shape[1]), x)


def sinusoids(g: Graph, t: Var, width: int, *, flip: bool, shift: float) -> Var:
    """Embed `t` (N,) sinusoidally as (N, `width`).

    Frequencies and phases are float32: in float16 the phase of step 999 is off by up to half a
    radian. `flip` puts the cosines first (diffusers' `flip_sin_to_cos`).
    """
    import numpy as np

    half = width // 2
    exponents = np.arange(half, dtype=np.float64) / (half - shift)
    frequencies = (PERIOD**-exponents).astype(np.float32)[np.newaxis]
    t = g.emit("expand_dims", x=g.cast(t, DataType.FLOAT32), axes=[1])
    phase = mul(g, t, g.table(frequencies, "frequencies"))
    order = ("cos", "sin") if flip else ("sin", "cos")
    return concat(g, [g.cast(g.emit(wave, x=phase), g.dtype) for wave in order])


def time_mlp(g: Graph, x: Var, path: str, channels: int) -> Var:
    """Add two linear layers with an activation between: (B, C) to (B, `channels`, 1, 1)."""
    x = g.emit("expand_dims", x=x, axes=[2, 3])
    x = silu(g, conv(g, x, f"{path}.linear_1", channels))
    return conv(g, x, f"{path}.linear_2", channels)

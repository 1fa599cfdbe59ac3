"""Builds the layers of a checkpoint's modules as MIL operations.

Spatial maps are (B, C, H, W) and sequences (B, C, 1, S), the layout that suits the Neural Engine,
so a linear layer is a 1x1 convolution. `path` is the module's name in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sdcoreml.convert.programs.graph import Graph
from sdcoreml.convert.programs.inference import Plain, Var

NEGLIGIBLE = 2.0**-24
"""The smallest positive float16; as an epsilon, it does not change a variance of 1."""

QUICK_GELU = 1.702
"""The factor with which a sigmoid approximates the Gaussian distribution function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Size and stride of a square convolution; `pad` is top, bottom, left, right.

    Without `pad` the map keeps its size, divided by `stride`.
    """

    size: int
    stride: int = 1
    pad: tuple[int, int, int, int] | None = None


POINT = Kernel(size=1)
SPATIAL = Kernel(size=3)
HALVING = Kernel(size=3, stride=2)


def conv(
    g: Graph, x: Var, path: str, channels: int, kernel: Kernel = POINT, *, bias: bool = True
) -> Var:
    """Add a convolution to `channels` channels; with a 1x1 kernel, it is a linear layer."""
    size = kernel.size
    weight = g.weight(f"{path}.weight", (channels, x.shape[1], size, size))
    extra = {"bias": g.weight(f"{path}.bias", (channels,))} if bias else {}
    result: Var = g.emit(
        "conv",
        name=path,
        x=x,
        weight=weight,
        strides=[kernel.stride, kernel.stride],
        pad_type="custom",
        pad=list(kernel.pad or (size // 2,) * 4),
        dilations=[1, 1],
        groups=1,
        **extra,
    )
    return result


def reshape(g: Graph, x: Var, *shape: int) -> Var:
    """Reshape `x` to another shape with as many elements."""
    result: Var = g.emit("reshape", x=x, shape=list(shape))
    return result


def transpose(g: Graph, x: Var, *perm: int) -> Var:
    """Permute the dimensions of `x`."""
    result: Var = g.emit("transpose", x=x, perm=list(perm))
    return result


def add(g: Graph, x: Var, y: Plain) -> Var:
    """Emit the sum of `x` and `y`, with broadcasting."""
    result: Var = g.emit("add", x=x, y=y)
    return result


def mul(g: Graph, x: Var, y: Plain) -> Var:
    """Emit the product of `x` and `y`, with broadcasting."""
    result: Var = g.emit("mul", x=x, y=y)
    return result


def concat(g: Graph, values: Sequence[Var], axis: int = 1) -> Var:
    """Concatenate values; a single one is returned unchanged."""
    if len(values) == 1:
        return values[0]
    result: Var = g.emit("concat", values=list(values), axis=axis, interleave=False)
    return result


def slice_axis(g: Graph, x: Var, axis: int, start: int, stop: int) -> Var:
    """Take the elements `start:stop` of one dimension; `x` is returned if that is all of them."""
    if (start, stop) == (0, x.shape[axis]):
        return x
    begin, end = [0] * x.rank, list(x.shape)
    begin[axis], end[axis] = start, stop
    full = [dimension != axis for dimension in range(x.rank)]
    result: Var = g.emit(
        "slice_by_index", x=x, begin=begin, end=end, begin_mask=full, end_mask=full
    )
    return result


def silu(g: Graph, x: Var) -> Var:
    """Add `x * sigmoid(x)`."""
    result: Var = g.emit("silu", x=x)
    return result


def gelu(g: Graph, x: Var) -> Var:
    """Add the exact Gaussian error linear unit."""
    result: Var = g.emit("gelu", x=x, mode="EXACT")
    return result


def quick_gelu(g: Graph, x: Var) -> Var:
    """Add `x * sigmoid(1.702 x)`.

    In float16, the factor has a relative error of 9e-5, so a second, small factor corrects it.
    """
    factor = g.number(QUICK_GELU)
    scaled = mul(g, x, factor)
    if rest := QUICK_GELU - float(factor):
        scaled = add(g, scaled, mul(g, x, g.number(rest)))
    return mul(g, x, g.emit("sigmoid", x=scaled))


Activation: TypeAlias = Callable[[Graph, Var], Var]

ACTIVATIONS: Mapping[str, Activation] = {"gelu": gelu, "quick_gelu": quick_gelu}
"""Maps an activation's name in a text encoder's config to the function that builds it."""


def group_norm(g: Graph, x: Var, path: str, groups: int, eps: float) -> Var:
    """Normalise (B, C, H, W) over groups of channels and space.

    The operations are those that coremltools translates PyTorch's group norm to, which Core ML
    handles well: scale and shift are a batch norm of mean 0 and variance 1.
    """
    import numpy as np

    batch, channels, height, width = x.shape
    y = reshape(g, x, batch, groups, channels // groups, height, width)
    mean = g.emit("reduce_mean", x=y, axes=[2, 3, 4], keep_dims=True)
    centred = g.emit("sub", x=y, y=mean)
    variance = g.emit("reduce_mean", x=g.emit("square", x=centred), axes=[2, 3, 4], keep_dims=True)
    deviation = g.emit("sqrt", x=add(g, variance, g.number(eps)))
    y = reshape(g, g.emit("real_div", x=centred, y=deviation), batch, channels, height, width)
    zeros, ones = (np.full(channels, g.number(value)) for value in (0, 1))
    result: Var = g.emit(
        "batch_norm",
        name=path,
        x=y,
        mean=g.table(zeros, "zeros"),
        variance=g.table(ones, "ones"),
        gamma=g.weight(f"{path}.weight", (channels,)),
        beta=g.weight(f"{path}.bias", (channels,)),
        epsilon=g.number(NEGLIGIBLE),
    )
    return result


def layer_norm(g: Graph, x: Var, path: str, *, axis: int = 1, eps: float = 1e-5) -> Var:
    """Normalise over one dimension, then scale and shift."""
    size = x.shape[axis]
    result: Var = g.emit(
        "layer_norm",
        name=path,
        x=x,
        axes=[axis],
        epsilon=g.number(eps),
        gamma=g.weight(f"{path}.weight", (size,)),
        beta=g.weight(f"{path}.bias", (size,)),
    )
    return result


def upsample(g: Graph, x: Var, path: str, like: Var | None = None) -> Var:
    """Repeat each pixel to double height and width, then apply a 3x3 convolution.

    Height and width are cut to those of the map `like`, if that was not halved evenly: the nearest
    neighbours at its size, which diffusers takes, are the first of those at the doubled size.
    """
    import numpy as np

    two = np.float32(2)
    y = g.emit("upsample_nearest_neighbor", x=x, scale_factor_height=two, scale_factor_width=two)
    if like is not None:
        for axis in (2, 3):
            y = slice_axis(g, y, axis, 0, like.shape[axis])
    return conv(g, y, f"{path}.conv", x.shape[1], SPATIAL)

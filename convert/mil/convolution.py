"""Operations on neighbourhoods: convolution, pooling, resampling, padding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional

from sdcoreml.convert.mil.arguments import Arguments, Kernel
from sdcoreml.ground.errors import ParityError, UnsupportedError

_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
_MAXIMUM = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def conv(args: Arguments) -> torch.Tensor:
    """Convolve `x` (N, C, *spatial) with `weight` (out, C / groups, *kernel)."""
    x, weight = args["x"], args["weight"]
    rank = x.dim() - 2
    strides = args.integers("strides", [1] * rank)
    dilations = args.integers("dilations", [1] * rank)
    reach = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilations, strict=True)]
    x, padding = pad_unevenly(x, padding_pairs(args, reach, strides), fill=0.0)
    groups = args.integer("groups", 1)
    return _CONVOLVE[rank](x, weight, args.get("bias"), strides, padding, dilations, groups)


def conv_transpose(args: Arguments) -> torch.Tensor:
    """Compute a transposed convolution with symmetric, explicit padding."""
    x = args["x"]
    rank = x.dim() - 2
    strides = args.integers("strides", [1] * rank)
    dilations = args.integers("dilations", [1] * rank)
    kind = args.text("pad_type", "valid")
    flat = args.integers("pad") if kind == "custom" else [0] * (2 * rank)
    if kind not in {"valid", "custom"} or flat[::2] != flat[1::2]:
        raise UnsupportedError(f"conv_transpose with padding {kind} {flat} is not implemented")
    groups = args.integer("groups", 1)
    return _TRANSPOSED[rank](
        x, args["weight"], args.get("bias"), strides, flat[::2], 0, groups, dilations
    )


def max_pool(args: Arguments) -> torch.Tensor:
    """Take the largest element of each window."""
    x, sizes = args["x"], args.integers("kernel_sizes")
    strides = args.integers("strides", [1] * len(sizes))
    x, padding = pad_unevenly(x, padding_pairs(args, sizes, strides), fill=-math.inf)
    ceiling = args.flag("ceil_mode")
    return _MAXIMUM[len(sizes)](x, sizes, strides, padding, ceil_mode=ceiling)


def avg_pool(args: Arguments) -> torch.Tensor:
    """Take the mean of each window."""
    x, sizes = args["x"], args.integers("kernel_sizes")
    strides = args.integers("strides", [1] * len(sizes))
    pairs = padding_pairs(args, sizes, strides)
    if any(before != after for before, after in pairs):
        raise UnsupportedError("avg_pool with asymmetric padding is not implemented")
    counted = not args.flag("exclude_padding_from_average")
    return _AVERAGE[len(sizes)](
        x, sizes, strides, [before for before, _ in pairs], args.flag("ceil_mode"), counted
    )


def padding_pairs(
    args: Arguments, reach: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the padding before and after each spatial dimension, from `pad_type` and `pad`.

    `reach` is the extent of a window: `(kernel - 1) * dilation + 1`.
    """
    kind = args.text("pad_type", "valid")
    match kind:
        case "valid":
            return [(0, 0)] * len(reach)
        case "custom":
            flat = args.integers("pad")
            return list(zip(flat[::2], flat[1::2], strict=True))
        case "same" | "same_lower":
            sizes = args["x"].shape[2:]
            return [
                _same(size, extent, step, kind)
                for size, extent, step in zip(sizes, reach, strides, strict=True)
            ]
    raise ParityError(f"unknown pad_type {kind}")


def _same(size: int, reach: int, stride: int, kind: str) -> tuple[int, int]:
    """Return the padding for which the output has `ceil(size / stride)` positions."""
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if kind == "same" else (large, small)


def pad_unevenly(
    x: torch.Tensor, pairs: Sequence[tuple[int, int]], *, fill: float
) -> tuple[torch.Tensor, list[int]]:
    """Pad `x` if its padding is asymmetric; return it with the padding that is left to do.

    torch's own functions take a symmetric padding, so such padding is returned, not applied.
    """
    if all(before == after for before, after in pairs):
        return x, [before for before, _ in pairs]
    flat = [side for pair in reversed(pairs) for side in pair]
    return functional.pad(x, flat, value=fill), [0] * len(pairs)


def pad(args: Arguments) -> torch.Tensor:
    """Pad the last dimensions; `pad` lists before and after, outermost dimension first."""
    sides = args.integers("pad")
    pairs = list(zip(sides[::2], sides[1::2], strict=True))
    flat = [side for pair in reversed(pairs) for side in pair]
    mode = args.text("mode", "constant")
    if mode == "constant":
        return functional.pad(args["x"], flat, value=args.number("constant_val", 0.0))
    while flat[-2:] == [0, 0]:  # torch mirrors only the innermost dimensions
        flat = flat[:-2]
    return functional.pad(args["x"], flat, mode=mode) if flat else args["x"]


def _scale(args: Arguments) -> tuple[float, float]:
    return args.number("scale_factor_height", 1.0), args.number("scale_factor_width", 1.0)


def upsample_nearest_neighbor(args: Arguments) -> torch.Tensor:
    """Repeat each pixel of (N, C, H, W) by the scale of its dimension."""
    return functional.interpolate(args["x"], scale_factor=_scale(args), mode="nearest")


def upsample_bilinear(args: Arguments) -> torch.Tensor:
    """Interpolate between pixels of (N, C, H, W)."""
    aligned = args.flag("align_corners") or "align_corners" not in args
    return functional.interpolate(
        args["x"], scale_factor=_scale(args), mode="bilinear", align_corners=aligned
    )


OPERATIONS: Mapping[str, Kernel] = {
    "avg_pool": avg_pool,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "max_pool": max_pool,
    "pad": pad,
    "upsample_bilinear": upsample_bilinear,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
}

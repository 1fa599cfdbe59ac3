"""Operations that rearrange elements without changing them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sdcoreml.convert.mil.arguments import Arguments, Kernel, Result
from sdcoreml.ground.errors import ParityError


def reshape(args: Arguments) -> torch.Tensor:
    """Reshape `x`: 0 keeps a dimension, -1 takes all remaining elements."""
    x = args["x"]
    shape = [x.shape[i] if size == 0 else size for i, size in enumerate(args.integers("shape"))]
    return x.reshape(shape)


def transpose(args: Arguments) -> torch.Tensor:
    """Permute the dimensions: dimension `i` of the result is dimension `perm[i]` of `x`."""
    return args["x"].permute(args.integers("perm"))


def expand_dims(args: Arguments) -> torch.Tensor:
    """Insert dimensions of size 1 at these positions of the result."""
    x, axes = args["x"], args.integers("axes")
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def squeeze(args: Arguments) -> torch.Tensor:
    """Remove the given dimensions of size 1, by default all of them."""
    x = args["x"]
    ones = [axis for axis, size in enumerate(x.shape) if size == 1]
    axes = [axis % x.dim() for axis in args.integers("axes", ones)]
    if any(x.shape[axis] != 1 for axis in axes):
        raise ParityError(
            f"squeeze of axes {axes}, which are not all of size 1 in {tuple(x.shape)}"
        )
    return x.squeeze(axes)


def concat(args: Arguments) -> torch.Tensor:
    """Join `values` along `axis`, one after the other or interleaved."""
    values, axis = args.many("values"), args.integer("axis")
    if not args.flag("interleave"):
        return torch.cat(values, axis)
    axis %= values[0].dim()
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


def stack(args: Arguments) -> torch.Tensor:
    """Join `values` along a new dimension."""
    return torch.stack(args.many("values"), args.integer("axis"))


def split(args: Arguments) -> Result:
    """Cut `x` along `axis` into `split_sizes`, or into `num_splits` equal parts."""
    x, axis = args["x"], args.integer("axis")
    if "split_sizes" in args:
        return torch.split(x, args.integers("split_sizes"), axis)
    parts = args.integer("num_splits")
    if x.shape[axis] % parts:
        raise ParityError(f"{x.shape[axis]} positions cannot be split into {parts} equal parts")
    return torch.split(x, x.shape[axis] // parts, axis)


def tile(args: Arguments) -> torch.Tensor:
    """Repeat the whole of `x` along each dimension."""
    return args["x"].repeat(args.integers("reps"))


def fill(args: Arguments) -> torch.Tensor:
    """Return a tensor filled with one value."""
    value = args["value"]
    return value.expand(args.integers("shape")).clone()


def shape(args: Arguments) -> torch.Tensor:
    """Return the shape of `x`, as int32."""
    return torch.tensor(args["x"].shape, dtype=torch.int32)


def range_1d(args: Arguments) -> torch.Tensor:
    """Return numbers from `start` up to, not including, `end`."""
    start, end, step = (args[name].item() for name in ("start", "end", "step"))
    return torch.arange(start, end, step, dtype=args["start"].dtype)


def band_part(args: Arguments) -> torch.Tensor:
    """Keep `lower` diagonals below and `upper` above the main one (-1: all); zero elsewhere."""
    x, lower, upper = args["x"], args.integer("lower", -1), args.integer("upper", -1)
    x = x if lower < 0 else x.triu(-lower)
    return x if upper < 0 else x.tril(upper)


def pixel_shuffle(args: Arguments) -> torch.Tensor:
    """Rearrange channels into blocks of pixels."""
    return torch.nn.functional.pixel_shuffle(args["x"], args.integer("upscale_factor"))


OPERATIONS: Mapping[str, Kernel] = {
    "band_part": band_part,
    "concat": concat,
    "expand_dims": expand_dims,
    "fill": fill,
    "pixel_shuffle": pixel_shuffle,
    "range_1d": range_1d,
    "reshape": reshape,
    "shape": shape,
    "split": split,
    "squeeze": squeeze,
    "stack": stack,
    "tile": tile,
    "transpose": transpose,
}

"""Operations that reduce dimensions, and the norms built on means and variances."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

from sdcoreml.convert.mil.arguments import Arguments, Kernel

Reduce = Callable[[torch.Tensor, "list[int]", bool], torch.Tensor]


def reduction(function: Reduce) -> Kernel:
    """Make a kernel that reduces `axes`, by default all of them."""

    def kernel(args: Arguments) -> torch.Tensor:
        x = args["x"]
        return function(x, args.integers("axes", range(x.dim())), args.flag("keep_dims"))

    return kernel


def argument(function: Callable[..., torch.Tensor]) -> Kernel:
    """Make a kernel for `argmin` or `argmax` along `axis`, as int32."""

    def kernel(args: Arguments) -> torch.Tensor:
        axis = args.integer("axis", -1)
        return function(args["x"], axis, keepdim=args.flag("keep_dims")).int()

    return kernel


def layer_norm(args: Arguments) -> torch.Tensor:
    """Normalise over `axes`, then scale by `gamma` and shift by `beta`."""
    x = args["x"]
    axes = [axis % x.dim() for axis in args.integers("axes", range(x.dim()))]
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    centred = x - x.mean(axes, keepdim=True)
    variance = centred.square().mean(axes, keepdim=True)
    y = centred.mul_(torch.rsqrt(variance + args.number("epsilon", 1e-5)))
    gamma, beta = args.get("gamma"), args.get("beta")
    y = y if gamma is None else y.mul_(gamma.reshape(shape))
    return y if beta is None else y.add_(beta.reshape(shape))


def batch_norm(args: Arguments) -> torch.Tensor:
    """Normalise each channel (dimension 1) by the given `mean` and `variance`."""
    x = args["x"]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    gamma, beta = args.get("gamma"), args.get("beta")
    scale = torch.rsqrt(args["variance"] + args.number("epsilon", 1e-5))
    scale = scale if gamma is None else scale * gamma
    shift = -args["mean"] * scale
    shift = shift if beta is None else shift + beta
    return torch.addcmul(shift.reshape(shape), x, scale.reshape(shape))


def instance_norm(args: Arguments) -> torch.Tensor:
    """Normalise each channel of each sample by its own mean and variance."""
    epsilon = args.number("epsilon", 1e-5)
    return functional.instance_norm(
        args["x"], weight=args.get("gamma"), bias=args.get("beta"), eps=epsilon
    )


def l2_norm(args: Arguments) -> torch.Tensor:
    """Divide by the Euclidean length over the last three dimensions."""
    x = args["x"]
    length = x.square().sum((-3, -2, -1), keepdim=True) + args.number("epsilon", 1e-6)
    return x * torch.rsqrt(length)


def cumsum(args: Arguments) -> torch.Tensor:
    """Sum along `axis`, from the end if `reverse`, without the element itself if `exclusive`."""
    x, axis = args["x"], args.integer("axis", 0)
    x = x.flip(axis) if args.flag("reverse") else x
    total = torch.cumsum(x, axis, dtype=x.dtype)
    total = total - x if args.flag("exclusive") else total
    return total.flip(axis) if args.flag("reverse") else total


OPERATIONS: Mapping[str, Kernel] = {
    "batch_norm": batch_norm,
    "cumsum": cumsum,
    "instance_norm": instance_norm,
    "l2_norm": l2_norm,
    "layer_norm": layer_norm,
    "reduce_argmax": argument(torch.argmax),
    "reduce_argmin": argument(torch.argmin),
    "reduce_l2_norm": reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt()),
    "reduce_max": reduction(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    "reduce_mean": reduction(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "reduce_min": reduction(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    "reduce_sum": reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep, dtype=x.dtype)),
    "reduce_sum_square": reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep)),
}

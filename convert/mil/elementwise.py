"""Operations on each element: arithmetic, comparisons, activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

from sdcoreml.convert.mil.arguments import Arguments, Kernel
from sdcoreml.ground.errors import ParityError


def unary(function: Callable[[torch.Tensor], torch.Tensor]) -> Kernel:
    """Return a kernel that applies `function` to the argument `x`."""
    return lambda args: function(args["x"])


def binary(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Kernel:
    """Return a kernel that applies `function` to the arguments `x` and `y`, which broadcast."""
    return lambda args: function(args["x"], args["y"])


def real_div(args: Arguments) -> torch.Tensor:
    """Divide; integer quotients are rounded towards minus infinity."""
    x, y = args["x"], args["y"]
    return torch.div(x, y, rounding_mode=None if x.is_floating_point() else "floor")


def gelu(args: Arguments) -> torch.Tensor:
    """Compute GELU in one of the three forms of the specification."""
    x, mode = args["x"], args.text("mode", "EXACT")
    match mode:
        case "EXACT":
            return functional.gelu(x)
        case "TANH_APPROXIMATION":
            return functional.gelu(x, approximate="tanh")
        case "SIGMOID_APPROXIMATION":
            return x * torch.sigmoid(1.702 * x)
    raise ParityError(f"gelu has no mode {mode}")


def log(args: Arguments) -> torch.Tensor:
    """Compute the natural logarithm of `x + epsilon`."""
    return torch.log(args["x"] + args.number("epsilon", 1e-45))


def rsqrt(args: Arguments) -> torch.Tensor:
    """Compute the inverse square root of `x + epsilon`."""
    return torch.rsqrt(args["x"] + args.number("epsilon", 1e-12))


def inverse(args: Arguments) -> torch.Tensor:
    """Compute the inverse of `x + epsilon`."""
    return 1 / (args["x"] + args.number("epsilon", 1e-4))


def clip(args: Arguments) -> torch.Tensor:
    """Limit `x` to `[alpha, beta]`."""
    return args["x"].clamp(args.number("alpha"), args.number("beta"))


def leaky_relu(args: Arguments) -> torch.Tensor:
    """Keep positive `x`, and multiply other elements by `alpha`."""
    return functional.leaky_relu(args["x"], args.number("alpha"))


def softmax(args: Arguments) -> torch.Tensor:
    """Compute the softmax along one axis, which is fastest along the last one."""
    x, axis = args["x"], args.integer("axis")
    return torch.softmax(x.movedim(axis, -1), -1).movedim(-1, axis)


def select(args: Arguments) -> torch.Tensor:
    """Choose `a` where `cond` holds, `b` elsewhere."""
    return torch.where(args["cond"].bool(), args["a"], args["b"])


OPERATIONS: Mapping[str, Kernel] = {
    "abs": unary(torch.abs),
    "add": binary(torch.add),
    "ceil": unary(torch.ceil),
    "clip": clip,
    "cos": unary(torch.cos),
    "equal": binary(torch.eq),
    "erf": unary(torch.erf),
    "exp": unary(torch.exp),
    "exp2": unary(torch.exp2),
    "floor": unary(torch.floor),
    "floor_div": binary(torch.floor_divide),
    "gelu": gelu,
    "greater": binary(torch.gt),
    "greater_equal": binary(torch.ge),
    "identity": unary(torch.clone),
    "inverse": inverse,
    "leaky_relu": leaky_relu,
    "less": binary(torch.lt),
    "less_equal": binary(torch.le),
    "log": log,
    "logical_and": binary(torch.logical_and),
    "logical_not": unary(torch.logical_not),
    "logical_or": binary(torch.logical_or),
    "logical_xor": binary(torch.logical_xor),
    "maximum": binary(torch.maximum),
    "minimum": binary(torch.minimum),
    "mod": binary(torch.remainder),
    "mul": binary(torch.mul),
    "not_equal": binary(torch.ne),
    "pow": binary(torch.pow),
    "real_div": real_div,
    "relu": unary(functional.relu),
    "round": unary(torch.round),
    "rsqrt": rsqrt,
    "select": select,
    "sigmoid": unary(torch.sigmoid),
    "sign": unary(torch.sign),
    "silu": unary(functional.silu),
    "sin": unary(torch.sin),
    "softmax": softmax,
    "softplus": unary(functional.softplus),
    "sqrt": unary(torch.sqrt),
    "square": unary(torch.square),
    "sub": binary(torch.sub),
    "tanh": unary(torch.tanh),
}

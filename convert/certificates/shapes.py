"""Works out the shapes of an operation's results from those of its arguments.

The rules are those of MIL's operations, and share nothing with the builders. There is one for each
operation whose shapes follow the size of the image or the batch; no rule, no result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sdcoreml.ground.errors import UnsupportedError

Shape: TypeAlias = tuple[int, ...]
Numbers: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The arguments of an operation: the shapes of its tensors, and the values of its constants.

    `numbers` are whole numbers and truth values, flat; `texts` are words.
    """

    shapes: Mapping[str, tuple[Shape, ...]]
    numbers: Mapping[str, Numbers]
    texts: Mapping[str, str]

    def shape(self, name: str = "x") -> Shape:
        """Return the shape of the tensor given as `name`."""
        (found,) = self.shapes[name]
        return found

    def number(self, name: str) -> int:
        """Return a constant that is one whole number."""
        (found,) = self.numbers[name]
        return found


Rule: TypeAlias = Callable[[Arguments], tuple[Shape, ...]]


def result_shapes(operation: str, args: Arguments) -> tuple[Shape, ...]:
    """Return the shape of each result of an operation.

    Raises:
        UnsupportedError: there is no rule for it, or the arguments do not go together.
    """
    if operation not in RULES:
        raise UnsupportedError(f"no rule says which shape a {operation} has")
    try:
        return RULES[operation](args)
    except (IndexError, KeyError, ValueError, ZeroDivisionError) as error:
        raise UnsupportedError(f"the shapes of a {operation} do not go together") from error


def broadcast(one: Shape, other: Shape) -> Shape:
    """Return the common shape of two tensors. Raises `ValueError` if they have none."""
    rank = max(len(one), len(other))
    pairs = zip((1,) * (rank - len(one)) + one, (1,) * (rank - len(other)) + other, strict=True)
    found = []
    for a, b in pairs:
        if a != b and 1 not in (a, b):
            raise ValueError(one, other)
        found.append(max(a, b))
    return tuple(found)


def _same(args: Arguments) -> tuple[Shape, ...]:
    return (args.shape(),)


def _elementwise(args: Arguments) -> tuple[Shape, ...]:
    return (broadcast(args.shape("x"), args.shape("y")),)


def _conv(args: Arguments) -> tuple[Shape, ...]:
    batch, channels, *extents = args.shape()
    out, depth, *kernel = args.shape("weight")
    if (args.texts["pad_type"], args.number("groups")) != ("custom", 1) or depth != channels:
        raise ValueError(depth)
    if set(args.numbers["dilations"]) != {1}:
        raise ValueError(args.numbers["dilations"])
    pads = args.numbers["pad"]
    sizes = [
        (extent + pads[2 * place] + pads[2 * place + 1] - kernel[place]) // stride + 1
        for place, (extent, stride) in enumerate(zip(extents, args.numbers["strides"], strict=True))
    ]
    return ((batch, out, *sizes),)


def _reduce(args: Arguments) -> tuple[Shape, ...]:
    if not args.number("keep_dims"):
        raise ValueError("keep_dims")
    axes = args.numbers["axes"]
    return (tuple(1 if axis in axes else size for axis, size in enumerate(args.shape())),)


def _matmul(args: Arguments) -> tuple[Shape, ...]:
    (*batch, rows, inner), (*others, depth, columns) = args.shape("x"), args.shape("y")
    if args.number("transpose_x"):
        rows, inner = inner, rows
    if args.number("transpose_y"):
        depth, columns = columns, depth
    if inner != depth:
        raise ValueError(inner, depth)
    return ((*broadcast(tuple(batch), tuple(others)), rows, columns),)


def _einsum(args: Arguments) -> tuple[Shape, ...]:
    operands, result = args.texts["equation"].split("->")
    sizes: dict[str, int] = {}
    for letters, shape in zip(operands.split(","), args.shapes["values"], strict=True):
        for letter, size in zip(letters, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ValueError(letter)
    return (tuple(sizes[letter] for letter in result),)


def _concat(args: Arguments) -> tuple[Shape, ...]:
    axis, (first, *rest) = args.number("axis"), args.shapes["values"]
    if args.number("interleave") or axis < 0:
        raise ValueError("interleave")
    total = first[axis]
    for shape in rest:
        if len(shape) != len(first) or _without(shape, axis) != _without(first, axis):
            raise ValueError(shape, first)
        total += shape[axis]
    return ((*first[:axis], total, *first[axis + 1 :]),)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _slice(args: Arguments) -> tuple[Shape, ...]:
    found = []
    names = ("begin", "end", "begin_mask", "end_mask")
    for size, begin, end, *masks in zip(
        args.shape(), *(args.numbers[name] for name in names), strict=True
    ):
        start, stop = (0 if masks[0] else begin), (size if masks[1] else end)
        if not 0 <= start < stop <= size:
            raise ValueError(start, stop)
        found.append(stop - start)
    return (tuple(found),)


def _split(args: Arguments) -> tuple[Shape, ...]:
    shape, axis, parts = args.shape(), args.number("axis"), args.number("num_splits")
    if axis < 0 or shape[axis] % parts:
        raise ValueError(axis)
    return ((*shape[:axis], shape[axis] // parts, *shape[axis + 1 :]),) * parts


def _transpose(args: Arguments) -> tuple[Shape, ...]:
    shape, order = args.shape(), args.numbers["perm"]
    if sorted(order) != list(range(len(shape))):
        raise ValueError(order)
    return (tuple(shape[axis] for axis in order),)


def _expand(args: Arguments) -> tuple[Shape, ...]:
    shape = list(args.shape())
    for axis in sorted(args.numbers["axes"]):
        if axis < 0:
            raise ValueError(axis)
        shape.insert(axis, 1)
    return (tuple(shape),)


def _upsample(args: Arguments) -> tuple[Shape, ...]:
    *rest, height, width = args.shape()
    down, across = (args.number(f"scale_factor_{name}") for name in ("height", "width"))
    return ((*rest, height * down, width * across),)


def _gather(args: Arguments) -> tuple[Shape, ...]:
    shape, axis = args.shape(), args.number("axis")
    if axis < 0:
        raise ValueError(axis)
    return ((*shape[:axis], *args.shape("indices"), *shape[axis + 1 :]),)


def _reshape(args: Arguments) -> tuple[Shape, ...]:
    shape = args.numbers["shape"]
    if math.prod(shape) != math.prod(args.shape()) or min(shape) < 1:
        raise ValueError(shape)
    return (shape,)


_SAME = (
    *("batch_norm", "cast", "cos", "gelu", "layer_norm", "sigmoid", "silu", "sin", "softmax"),
    *("sqrt", "square"),
)
_ELEMENTWISE = ("add", "mul", "real_div", "sub")

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    "concat": _concat,
    "conv": _conv,
    "einsum": _einsum,
    "expand_dims": _expand,
    "gather": _gather,
    "matmul": _matmul,
    "reduce_mean": _reduce,
    "reshape": _reshape,
    "slice_by_index": _slice,
    "split": _split,
    "transpose": _transpose,
    "upsample_nearest_neighbor": _upsample,
}
"""The rule for each operation of a UNet, a ControlNet and an autoencoder."""

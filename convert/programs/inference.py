"""Works out the types of an operation's results from those of its arguments.

There is a rule for each operation that the builders use, as MIL's reference describes it, and none
for others. A rule refuses what it does not account for: other arguments, and axes counted from the
end. coremltools reads what was built by rules of its own, which a test compares with these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sdcoreml.convert.programs.options import Target
from sdcoreml.convert.spec.model import DataType

Plain: TypeAlias = Any
"""A plain value that becomes a constant: number, string, list of numbers, numpy scalar or array."""

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """A value of the program under construction; `value` is that of a plain constant."""

    name: str
    dtype: DataType
    shape: Shape
    value: Plain = None

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape)


Bound: TypeAlias = Mapping[str, Any]
"""The arguments of an operation by name: each is a `Var`, or a list of them."""

Result: TypeAlias = tuple[DataType, Shape]
Rule: TypeAlias = Callable[[Bound], Sequence[Result]]


def infer(operation: str, bound: Bound) -> Sequence[Result]:
    """Return type and shape of each result of an operation.

    Raises:
        ValueError: there is no rule for it, or its arguments do not go together.
    """
    if operation not in RULES:
        raise ValueError(f"no rule says what a {operation} results in")
    rule, known = RULES[operation]
    if unknown := sorted(bound.keys() - known):
        raise ValueError(f"{operation}: no rule says what {', '.join(unknown)} would change")
    try:
        return rule(bound)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        given = {name: getattr(var, "shape", var) for name, var in bound.items()}
        raise ValueError(f"{operation}: the arguments do not go together: {given}") from error


def _require(met: object) -> None:
    if not met:
        raise ValueError


def _axes(bound: Bound, rank: int) -> list[int]:
    """Return `axes`, each from 0 and only once."""
    axes: list[int] = list(bound["axes"].value)
    _require(len(set(axes)) == len(axes) and all(0 <= axis < rank for axis in axes))
    return axes


def _axis(bound: Bound, rank: int) -> int:
    """Return `axis`, from 0."""
    axis: int = bound["axis"].value
    _require(0 <= axis < rank)
    return axis


def _same(bound: Bound) -> Sequence[Result]:
    x: Var = bound["x"]
    return ((x.dtype, x.shape),)


def _broadcast(bound: Bound) -> Sequence[Result]:
    x, y = bound["x"], bound["y"]
    _require(x.dtype is y.dtype)
    return ((x.dtype, _common(x.shape, y.shape)),)


def _compare(bound: Bound) -> Sequence[Result]:
    ((_, shape),) = _broadcast(bound)
    return ((DataType.BOOL, shape),)


def _common(one: Shape, other: Shape) -> Shape:
    if one == other or not other:
        return one
    rank = max(len(one), len(other))
    pairs = zip((1,) * (rank - len(one)) + one, (1,) * (rank - len(other)) + other, strict=True)
    found = tuple(b if a == 1 else a for a, b in pairs)
    _require(all(a in (1, c) for a, c in zip(reversed(one), reversed(found), strict=False)))
    _require(all(b in (1, c) for b, c in zip(reversed(other), reversed(found), strict=False)))
    return found


def _conv(bound: Bound) -> Sequence[Result]:
    x, weight = bound["x"], bound["weight"]
    pad, strides = bound["pad"].value, bound["strides"].value
    batch, channels, *extents = x.shape
    out, depth, *kernel = weight.shape
    _require(channels == depth * bound["groups"].value and x.dtype is weight.dtype)
    _require("bias" not in bound or bound["bias"].shape == (out,))
    _require(bound["pad_type"].value == "custom" and set(bound["dilations"].value) == {1})
    sizes = tuple(
        (extent + pad[2 * place] + pad[2 * place + 1] - kernel[place]) // strides[place] + 1
        for place, extent in enumerate(extents)
    )
    _require(min(sizes) > 0)
    return ((x.dtype, (batch, out, *sizes)),)


def _norm(bound: Bound) -> Sequence[Result]:
    """Normalise over channels: all vectors have one number for each."""
    x: Var = bound["x"]
    (axis,) = _axes(bound, x.rank) if "axes" in bound else (1,)
    size = x.shape[axis]
    vectors = (bound[name] for name in ("mean", "variance", "gamma", "beta") if name in bound)
    _require(all(one.shape == (size,) for one in vectors))
    return _same(bound)


def _cast(bound: Bound) -> Sequence[Result]:
    return ((CAST[bound["dtype"].value], bound["x"].shape),)


CAST: Mapping[str, DataType] = {
    "fp16": DataType.FLOAT16,
    "fp32": DataType.FLOAT32,
    "int32": DataType.INT32,
}
"""The types that a cast names."""


def _reshape(bound: Bound) -> Sequence[Result]:
    x, shape = bound["x"], tuple(bound["shape"].value)
    _require(math.prod(shape) == math.prod(x.shape))
    return ((x.dtype, shape),)


def _transpose(bound: Bound) -> Sequence[Result]:
    x, order = bound["x"], bound["perm"].value
    _require(sorted(order) == list(range(x.rank)))
    return ((x.dtype, tuple(x.shape[axis] for axis in order)),)


def _concat(bound: Bound) -> Sequence[Result]:
    first, *rest = bound["values"]
    axis = _axis(bound, first.rank)
    _require("interleave" not in bound or not bound["interleave"].value)
    total = first.shape[axis]
    before, after = first.shape[:axis], first.shape[axis + 1 :]
    for other in rest:
        _require(other.dtype is first.dtype)
        _require((other.shape[:axis], other.shape[axis + 1 :]) == (before, after))
        total += other.shape[axis]
    return ((first.dtype, (*before, total, *after)),)


def _slice(bound: Bound) -> Sequence[Result]:
    x = bound["x"]
    none = [False] * x.rank
    masks = (bound[name].value if name in bound else none for name in ("begin_mask", "end_mask"))
    parts = zip(x.shape, bound["begin"].value, bound["end"].value, *masks, strict=True)
    found = []
    for size, begin, end, is_first, is_last in parts:
        start, stop = 0 if is_first else begin, size if is_last else end
        _require(0 <= start < stop <= size)
        found.append(stop - start)
    return ((x.dtype, tuple(found)),)


def _split(bound: Bound) -> Sequence[Result]:
    x, axis = bound["x"], _axis(bound, bound["x"].rank)
    count: int = bound["num_splits"].value
    size, rest = divmod(x.shape[axis], count)
    _require(not rest)
    part: Result = (x.dtype, (*x.shape[:axis], size, *x.shape[axis + 1 :]))
    return (part,) * count


def _expand(bound: Bound) -> Sequence[Result]:
    x = bound["x"]
    shape = list(x.shape)
    for axis in sorted(_axes(bound, x.rank + len(bound["axes"].value))):
        shape.insert(axis, 1)
    return ((x.dtype, tuple(shape)),)


def _squeeze(bound: Bound) -> Sequence[Result]:
    x, axes = bound["x"], _axes(bound, bound["x"].rank)
    _require(all(x.shape[axis] == 1 for axis in axes))
    return ((x.dtype, tuple(n for axis, n in enumerate(x.shape) if axis not in axes)),)


def _gather(bound: Bound) -> Sequence[Result]:
    x, indices, axis = bound["x"], bound["indices"], _axis(bound, bound["x"].rank)
    _require(indices.dtype is DataType.INT32 and x.shape[axis])
    _require("batch_dims" not in bound or not bound["batch_dims"].value)
    return ((x.dtype, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])),)


def _reduce(bound: Bound) -> Sequence[Result]:
    x, axes = bound["x"], _axes(bound, bound["x"].rank)
    if bound["keep_dims"].value:
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    else:
        shape = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
    return ((x.dtype, shape),)


def _matmul(bound: Bound) -> Sequence[Result]:
    x, y = bound["x"], bound["y"]
    (*batch, rows, inner), (*others, depth, columns) = x.shape, y.shape
    if bound["transpose_x"].value:
        rows, inner = inner, rows
    if bound["transpose_y"].value:
        depth, columns = columns, depth
    _require(inner == depth and x.dtype is y.dtype)
    return ((x.dtype, (*_common(tuple(batch), tuple(others)), rows, columns)),)


def _einsum(bound: Bound) -> Sequence[Result]:
    operands, result = bound["equation"].value.split("->")
    sizes: dict[str, int] = {}
    for letters, var in zip(operands.split(","), bound["values"], strict=True):
        for letter, size in zip(letters, var.shape, strict=True):
            _require(sizes.setdefault(letter, size) == size)
    return ((bound["values"][0].dtype, tuple(sizes[letter] for letter in result)),)


def _upsample(bound: Bound) -> Sequence[Result]:
    x = bound["x"]
    *rest, height, width = x.shape
    down, across = (int(bound[f"scale_factor_{name}"].value) for name in ("height", "width"))
    return ((x.dtype, (*rest, height * down, width * across)),)


def _for_each(
    operations: str, rule: Rule, arguments: str
) -> Mapping[str, tuple[Rule, frozenset[str]]]:
    return dict.fromkeys(operations.split(), (rule, frozenset(arguments.split())))


RULES: Mapping[str, tuple[Rule, frozenset[str]]] = {
    **_for_each("add mul real_div sub", _broadcast, "x y"),
    **_for_each("cos sigmoid silu sin sqrt square", _same, "x"),
    **_for_each("gelu", _same, "x mode"),
    **_for_each("softmax", _same, "x axis"),
    **_for_each("equal greater", _compare, "x y"),
    **_for_each("reduce_max reduce_mean", _reduce, "x axes keep_dims"),
    **_for_each("batch_norm", _norm, "x mean variance gamma beta epsilon"),
    **_for_each("layer_norm", _norm, "x axes gamma beta epsilon"),
    **_for_each("cast", _cast, "x dtype"),
    **_for_each("concat", _concat, "values axis interleave"),
    **_for_each("conv", _conv, "x weight bias strides pad_type pad dilations groups"),
    **_for_each("einsum", _einsum, "values equation"),
    **_for_each("expand_dims", _expand, "x axes"),
    **_for_each("gather", _gather, "x indices axis batch_dims validate_indices"),
    **_for_each("matmul", _matmul, "x y transpose_x transpose_y"),
    **_for_each("reshape", _reshape, "x shape"),
    **_for_each("slice_by_index", _slice, "x begin end begin_mask end_mask"),
    **_for_each("split", _split, "x num_splits axis"),
    **_for_each("squeeze", _squeeze, "x axes"),
    **_for_each("transpose", _transpose, "x perm"),
    **_for_each("upsample_nearest_neighbor", _upsample, "x scale_factor_height scale_factor_width"),
}
"""The operations that builders use, each with its rule and the arguments that it may have."""


def defaults_of(operation: str, target: Target) -> Mapping[str, Plain]:
    """Return arguments that builders leave out, but that a program has to state, in order."""
    if operation != "gather":
        return {}
    is_older = target is Target.MACOS13
    return {"batch_dims": 0} if is_older else {"batch_dims": 0, "validate_indices": False}

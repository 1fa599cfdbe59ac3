"""Finds attention in a graph, so that it is computed for some queries at a time.

The scores of one head of a UNet take 134 MB for 512x512 pixels, those of a whole layer a gigabyte:
to make and clear their pages costs more than the products. Each operation still computes and rounds
as it declares, for fewer queries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sdcoreml.convert.mil.linear import MIXED, SCORES
from sdcoreml.convert.spec.model import Elements, Function, NamedType, Operation, Value

MOST = 1 << 21
"""The most scores that are computed at a time, if more than one query has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Three operations in a row: scores, softmax and the mixing of values, by their indices.

    `queries` is the name of the tensor whose last dimension is split, `axes` is where that
    dimension is in the result of each operation, and `piece` how much of it is taken at a time.
    """

    numbers: tuple[int, int, int]
    operations: tuple[Operation, Operation, Operation]
    queries: str
    axes: tuple[int, int, int]
    piece: int

    def for_width(self, width: int) -> Iterator[Operation]:
        """Yield the operations as they are declared for this many queries."""
        for operation, axis in zip(self.operations, self.axes, strict=True):
            (output,) = operation.outputs
            yield replace(operation, outputs=(_with_size(output, axis, width),))


def find_attention(function: Function) -> list[Attention]:
    """Return all attention of a function whose scores are many."""
    block = function.block
    reads = Counter(name for item in block.operations for name in item.reads)
    reads.update(block.outputs)
    constants = {
        item.outputs[0].name: item.attributes["val"]
        for item in block.operations
        if item.type == "const"
    }
    plain = [(place, it) for place, it in enumerate(block.operations) if not it.is_constant]
    rows = zip(plain, plain[1:], plain[2:], strict=False)
    return [found for row in rows for found in _read_row(row, constants, reads)]


def _read_row(
    row: tuple[tuple[int, Operation], ...], constants: Mapping[str, Value], reads: Counter[str]
) -> Iterator[Attention]:
    one, two, three = (operation for _, operation in row)
    kinds = (one.type, two.type, three.type)
    if kinds == ("einsum", "softmax", "einsum"):
        queries, mixed = one.inputs["values"][-1], three.inputs["values"][-1]
        axes, along = (3, 3, 3), 1
        is_like = (
            _text(one, "equation", constants) == SCORES
            and _text(three, "equation", constants) == MIXED
        )
    elif kinds == ("matmul", "softmax", "matmul"):
        queries, mixed = one.inputs["x"][0], three.inputs["y"][0]
        axes, along = (2, 2, 3), 3
        is_like = (
            _flags(one, constants) == (True, False)
            and _flags(three, constants) == (False, True)
            and len(one.outputs[0].tensor.shape) == _RANK
        )
    else:
        return
    names = [operation.outputs[0].name for operation in (one, two)]
    is_row = [two.inputs["x"][0], mixed] == names and all(reads[name] == 1 for name in names)
    axis = _elements(two, "axis", constants)
    shape = one.outputs[0].tensor.shape
    if not (is_like and is_row and isinstance(queries, str) and None not in shape):
        return
    scores, width = one.outputs[0].tensor.count, shape[axes[0]] or 1
    if axis in {(along,), (along - _RANK,)} and scores > MOST:
        yield Attention(
            numbers=(row[0][0], row[1][0], row[2][0]),
            operations=(one, two, three),
            queries=queries,
            axes=axes,
            piece=max(1, MOST * width // scores),
        )


_RANK = 4


def _with_size(output: NamedType, axis: int, size: int) -> NamedType:
    shape = list(output.tensor.shape)
    shape[axis] = size
    return replace(output, type=replace(output.tensor, shape=tuple(shape)))


def _flags(operation: Operation, constants: Mapping[str, Value]) -> tuple[bool, bool]:
    """Return whether a product's operands are transposed."""
    x, y = (_elements(operation, name, constants) for name in ("transpose_x", "transpose_y"))
    return bool(x and x[0]), bool(y and y[0])


def _text(operation: Operation, name: str, constants: Mapping[str, Value]) -> object:
    return next(iter(_elements(operation, name, constants)), "")


def _elements(
    operation: Operation, name: str, constants: Mapping[str, Value]
) -> tuple[object, ...]:
    """Return the elements of a parameter; none if it is left out."""
    for binding in operation.inputs.get(name, ()):
        value = constants.get(binding) if isinstance(binding, str) else binding
        if value is not None and isinstance(value.data, Elements):
            return tuple(value.data.values)
    return ()

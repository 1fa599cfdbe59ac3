"""Finds the best point to cut a program in two: near the middle, where few values must pass.

Each half gets the constants that it uses, so only the other operations, called steps, are divided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sdcoreml.convert.bundle.contract import IN_FIRST_HALF
from sdcoreml.convert.spec.model import Blob, DataType, Function, NamedType, Operation
from sdcoreml.ground.errors import UnsupportedError

MARGIN = 0.05
"""How far a cut may be from the middle of the weights, as a share of all weights' bytes."""

WORDS: Mapping[DataType, str] = {DataType.FLOAT16: "fp16", DataType.FLOAT32: "fp32"}
"""Maps each type in which values can pass between the halves to its name in `cast`."""

HIGHEST_RANK = 5
"""The highest rank of a multi-array that Core ML accepts as an input or output; the lowest is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A cut after the first `place` steps; the first half passes `carried` to the second.

    `uneven` is how far the weights are from an equal split, as a share of all weights.
    """

    place: int
    carried: tuple[NamedType, ...]
    uneven: float

    @property
    def cost(self) -> tuple[int, float]:
        """The sort key, lower is better: fewer elements carried, then more even halves."""
        return sum(value.tensor.count for value in self.carried), self.uneven


def find_cut(component: str, function: Function, sizes: Mapping[int, int]) -> Cut:
    """Find the best cut of a function, in one pass over its operations.

    Args:
        component: the name of the component, for errors.
        function: the function to cut; it has no nested blocks.
        sizes: bytes of each record of the weight file, by its offset.

    Raises:
        UnsupportedError: the program has several outputs, or no point near the middle of its
            weights where all values that are still needed can leave a program.
    """
    outputs = function.block.outputs
    if len(outputs) != 1:
        raise UnsupportedError(
            (
                f"has {len(outputs)} outputs ({', '.join(outputs)}), but the second half "
                "must have exactly one"
            ),
            where=component,
            remedy="convert it without --chunk",
        )
    cuts = _cuts(function, _shares(function, sizes))
    best = min(cuts, key=lambda cut: cut.cost, default=None)
    if best is None:
        raise UnsupportedError(
            "cannot be cut near the middle of its weights",
            where=component,
            remedy="convert it without --chunk",
        )
    return best


def steps_of(function: Function) -> tuple[Operation, ...]:
    """Return the operations other than constants."""
    return tuple(item for item in function.block.operations if not item.is_constant)


def offsets(operation: Operation) -> Iterator[int]:
    """Return the record offsets of a constant, from its attributes or (iOS 18) its arguments."""
    return (item.data.offset for item in operation.constants if isinstance(item.data, Blob))


def _shares(function: Function, sizes: Mapping[int, int]) -> list[int]:
    """Count, for each step, the bytes of the weights that it is the first to use."""
    left = {
        item.outputs[0].name: sum(sizes[offset] for offset in offsets(item))
        for item in function.block.operations
        if item.is_constant
    }
    return [sum(left.pop(name, 0) for name in step.reads) for step in steps_of(function)]


def _cuts(function: Function, shares: Sequence[int]) -> Iterator[Cut]:
    """Yield each possible cut near the middle of the weights.

    The inputs in `IN_FIRST_HALF` must be read before the cut, and the output computed after it.
    """
    steps = steps_of(function)
    last = {name: place for place, step in enumerate(steps, 1) for name in step.reads}
    unread = {item.name for item in function.inputs} & IN_FIRST_HALF
    alive: dict[str, NamedType] = {}
    total, before = sum(shares), 0
    for place, (step, share) in enumerate(zip(steps, shares, strict=True), start=1):
        if any(result.name in function.block.outputs for result in step.outputs):
            return
        before += share
        for name in step.reads:
            unread.discard(name)
            if last[name] == place:
                alive.pop(name, None)
        alive |= {item.name: item for item in step.outputs if last.get(item.name, 0) > place}
        uneven = abs(before / total - 0.5) if total else 0.5
        if uneven <= MARGIN and not unread and alive and all(map(_can_leave, alive.values())):
            yield Cut(place=place, carried=tuple(alive.values()), uneven=uneven)


def _can_leave(value: NamedType) -> bool:
    kind = value.tensor
    return kind.dtype in WORDS and 1 <= len(kind.shape) <= HIGHEST_RANK and None not in kind.shape

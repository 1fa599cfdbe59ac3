"""Runs a program and its variants with one changed weight, without running each in full.

Up to the operation that takes the changed weight, a variant computes the same as the program. So
the program runs once, and its layers are put into groups of neighbours. For each group, a copy of
the program with a larger batch continues from the group's first layer; each variant has rows of the
batch to itself. At each layer, the result is replaced in the rows of that layer's variant. Rows of
a batch do not affect each other, so each variant gets the result that it would get alone, but
weights are read once for many variants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import torch

from sdcoreml.convert.mil.frame import Frame, Values, observe_nothing
from sdcoreml.convert.mil.interpreter import Executable, last_uses
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.spec.model import Function, Operation, TensorType
from sdcoreml.ground.errors import UnsupportedError

Outputs: TypeAlias = "dict[str, torch.Tensor]"
Changes: TypeAlias = "Mapping[str, Callable[[], torch.Tensor]]"
"""Maps each weight to be changed to a function that returns the new value, float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A program, and a copy with a batch `times` as large, which runs `times` variants at once."""

    program: Executable
    wide: Executable
    times: int

    def run(
        self, feeds: Mapping[str, torch.Tensor], changes: Changes
    ) -> tuple[Outputs, dict[str, Outputs]]:
        """Return the program's outputs in float32, and each variant's by its weight's name.

        Raises:
            UnsupportedError: the programs differ in more than the batch, or two operations share
                a weight.
        """
        function = self.program.function
        _require_alike(function, self.wide.function, changes)
        frame, uses = Frame(function, self.program.storage, Mode.FP32), last_uses(function)
        found: dict[str, Outputs] = {}
        group = _Group()
        with torch.inference_mode():
            frame.feed(feeds)
            for number, operation in enumerate(function.block.operations):
                if (name := _weight(operation)) in changes:
                    if not group.changed:
                        group = _Group(start=number, values=frame.values())
                    group.changed[number] = (
                        name,
                        frame.compute_with(operation, name, changes[name]()),
                    )
                frame.step(operation, observe_nothing)
                frame.release(uses.get(number, ()))
                if len(group.changed) == self.times:
                    found |= self._run_group(group)
                    group = _Group()
            found |= self._run_group(group) if group.changed else {}
            return {name: frame.tensor(name) for name in function.block.outputs}, found

    def _run_group(self, group: _Group) -> dict[str, Outputs]:
        """Run a group's variants, and return their outputs."""
        function = self.wide.function
        frame, uses = Frame(function, self.wide.storage, Mode.FP32), last_uses(function)
        frame.resume(_widen(group.values, function, self.times))
        order = {number: place for place, number in enumerate(group.changed)}
        for number, operation in enumerate(function.block.operations):
            if number < group.start and not operation.is_constant:
                continue
            frame.step(operation, observe_nothing)
            if number in order:
                _, rows = group.changed[number]
                result = frame.tensor(operation.outputs[0].name)
                result.tensor_split(self.times)[order[number]].copy_(rows)
            frame.release(uses.get(number, ()))
        whole = {name: frame.tensor(name) for name in function.block.outputs}
        return {
            name: {key: value.tensor_split(self.times)[place] for key, value in whole.items()}
            for place, (name, _) in enumerate(group.changed.values())
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Variants that run together: the operation that they start from, and the values it needs.

    `changed` maps the index of each layer's operation to its weight's name and its result with the
    changed weight.
    """

    start: int = 0
    values: Values = field(default_factory=dict)
    changed: dict[int, tuple[str, torch.Tensor]] = field(default_factory=dict)


def _weight(operation: Operation) -> str:
    """Return the name of the constant that is the layer's weight, or "" if there is none."""
    (name, *_) = operation.inputs.get("weight", ("",))
    return name if isinstance(name, str) else ""


def _require_alike(function: Function, wide: Function, changes: Changes) -> None:
    one, other = (
        [(item.type, [output.name for output in item.outputs]) for item in each.block.operations]
        for each in (function, wide)
    )
    weights = [name for item in function.block.operations if (name := _weight(item)) in changes]
    if one != other or len(set(weights)) != len(weights):
        raise UnsupportedError("variants of this program cannot be run together")


def _widen(values: Values, function: Function, times: int) -> Values:
    """Return the program's values, repeated to fill the larger batch."""
    types = function.types
    shapes = {name: kind.shape for name, kind in types.items() if isinstance(kind, TensorType)}
    return {
        name: (tensor if tuple(tensor.shape) == shapes[name] else _repeat(tensor, times), kind)
        for name, (tensor, kind) in values.items()
    }


def _repeat(tensor: torch.Tensor, times: int) -> torch.Tensor:
    return tensor.repeat(times, *[1] * (tensor.dim() - 1))

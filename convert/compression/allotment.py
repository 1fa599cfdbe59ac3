"""Chooses how many bits each layer's weight gets, so that a given average is not exceeded.

How much the rounding of a layer's weight changes the output is measured once, at `PROBED` bits. At
other widths, that effect is assumed to grow with the error of the weight itself. Errors of
different layers are assumed to add up like independent noise. So each step gives more bits to the
layer whose effect shrinks the most per added bit.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PROBED = 4
"""The width in bits at which the effect of every layer is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer's weight.

    Attributes:
        name: name of the constant that holds the weight.
        elements: number of elements of the weight.
        effect: mean squared error of the program's output if only this weight is rounded, to
            `PROBED` bits, divided by the output's variance.
        errors: maps a number of bits to the squared error of the weight itself, in any unit.
    """

    name: str
    elements: int
    effect: float
    errors: Mapping[int, float]

    def cost(self, bits: int) -> float:
        """Estimate the effect of this layer at the given number of bits."""
        if not self.errors[PROBED]:
            return 0.0
        return self.effect * self.errors.get(bits, 0.0) / self.errors[PROBED]


def allot(layers: Sequence[Layer], average: float, steps: Sequence[int]) -> dict[str, int]:
    """Return a number of bits for each layer, by name: at most `average` bits for all elements.

    `steps` are the available widths, ascending.

    Raises:
        ValueError: the average is below the smallest width.
    """
    if average < steps[0]:
        raise ValueError(
            f"an average of {average:g} bits is too small: the smallest width is {steps[0]} bits"
        )
    chosen = dict.fromkeys((layer.name for layer in layers), 0)
    left = sum(layer.elements for layer in layers) * (average - steps[0])
    queue = [step for layer in layers for step in _steps(layer, 0, steps)]
    heapq.heapify(queue)
    by_name = {layer.name: layer for layer in layers}
    while queue:
        _, name, target = heapq.heappop(queue)
        layer, now = by_name[name], chosen[name]
        price = layer.elements * (steps[target] - steps[now])
        if price > left:
            continue  # a smaller layer may still fit
        left -= price
        chosen[name] = target
        for step in _steps(layer, target, steps):
            heapq.heappush(queue, step)
    return {name: steps[place] for name, place in chosen.items()}


def _steps(layer: Layer, place: int, steps: Sequence[int]) -> list[tuple[float, str, int]]:
    """Return the best step up from the width at index `place` in `steps`; empty if it is the last.

    The step is an entry for the queue: minus its gain per added bit, the layer's name, and the
    index of the new width. The step passes over a width if going further gains more per bit.
    """
    here = layer.cost(steps[place])
    gains = [
        (
            (here - layer.cost(steps[target])) / (layer.elements * (steps[target] - steps[place])),
            target,
        )
        for target in range(place + 1, len(steps))
    ]
    if not gains:
        return []
    gain, target = max(gains)
    return [(-gain, layer.name, target)]


def average_bits(layers: Sequence[Layer], bits: Mapping[str, int]) -> float:
    """Return the average number of bits per element of the layers' weights."""
    total = sum(layer.elements for layer in layers)
    return sum(layer.elements * bits[layer.name] for layer in layers) / total if total else 0.0

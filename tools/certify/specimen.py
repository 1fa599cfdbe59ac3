"""Writes checkpoints of random numbers, to certify graphs at full size; always the same bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.convert.weights.writer import Computed, write_safetensors

if TYPE_CHECKING:
    import numpy as np

SEED = 20240722
_BLOCK = 1 << 22


def write_specimen(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write a safetensors file of float16 tensors of these names and shapes.

    Matrices and kernels are scaled as PyTorch initialises them, so that activations neither vanish
    nor explode. Scales of norms are spread around 1, shifts and biases around 0, since exact ones
    and zeros would hide faults.
    """
    tensors = (
        Computed(name=name, dtype="F16", shape=shape, blocks=_Blocks(place, name, shape))
        for place, (name, shape) in enumerate(sorted(shapes.items()))
    )
    write_safetensors(list(tensors), path)


class _Blocks:
    """Yields the bytes of one tensor in blocks, from its own random generator."""

    def __init__(self, place: int, name: str, shape: tuple[int, ...]) -> None:
        self._place, self._name, self._shape = place, name, shape

    def __call__(self) -> Iterator[memoryview]:
        import numpy as np

        generator = np.random.default_rng((SEED, self._place))
        left = math.prod(self._shape)
        while left:
            block = self._numbers(generator, min(left, _BLOCK))
            left -= block.size
            yield memoryview(block.astype("<f2").tobytes())

    def _numbers(self, generator: np.random.Generator, count: int) -> np.ndarray:
        import numpy as np

        if len(self._shape) == 1 and self._name.endswith("weight"):
            return generator.uniform(0.5, 1.5, count)
        normal = generator.standard_normal(count, np.float32)
        spread = 0.1 if len(self._shape) == 1 else (3 * math.prod(self._shape[1:])) ** -0.5
        if "embedding.weight" in self._name:  # rows that are looked up, not multiplied
            spread = 0.02
        normal *= spread
        return normal

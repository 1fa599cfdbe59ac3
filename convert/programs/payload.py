"""Describes the records of a program's weight file before their content is read.

A graph only declares its weights, by the names and shapes of tensors. They are read one by one, in
blocks, as the file is written, so memory does not grow with the model.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sdcoreml.convert.spec.blobs import ALIGNMENT, align, data_size
from sdcoreml.convert.spec.model import DataType, Model, TensorType
from sdcoreml.convert.weights.bits import largest_bits
from sdcoreml.ground.errors import BadInputError

if TYPE_CHECKING:
    import numpy as np

SMALLEST_RECORD = 10
"""Constants with fewer elements are stored in the program itself, as coremltools does."""

RELEASE_AFTER = 16 << 20
"""The bytes read before mapped pages are released: about the size of the largest tensor."""

_BLOCK = 1 << 18
"""Elements read at a time: few enough that they stay in the processor's cache until written."""


class TensorShape(Protocol):
    """The facts about a tensor that a graph needs."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's dimensions."""
        ...

    @property
    def dtype(self) -> str:
        """The tensor's type, as safetensors names it."""
        ...


class Tensors(Protocol):
    """The tensors of a checkpoint; `convert.weights.safetensors.TensorFile` is one."""

    def names(self) -> tuple[str, ...]:
        """Return every name, in the order of the file."""
        ...

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the tensor as stored (BF16 widened to float32)."""
        ...

    def release(self) -> None:
        """Release mapped pages."""
        ...


class DescribedTensors(Tensors, Protocol):
    """Tensors whose shape and type are known without reading them."""

    def info(self, name: str) -> TensorShape:
        """Return shape and type of a tensor. Raises `KeyError`."""
        ...


class RecordSource(Protocol):
    """A source of the content of one record."""

    def blocks(self, tensors: Tensors, dtype: DataType) -> Iterator[np.ndarray]:
        """Yield the elements in row-major order, as flat contiguous arrays of `dtype`."""
        ...

    def identity(self) -> Hashable:
        """Return a key that is equal for sources with equal content, within one checkpoint."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A tensor of the checkpoint, cast if the record has another type."""

    tensor: str

    def blocks(self, tensors: Tensors, dtype: DataType) -> Iterator[np.ndarray]:
        """Yield the tensor's elements, cast. Raises `BadInputError` if a number does not fit."""
        import numpy as np

        wanted = np.float16 if dtype is DataType.FLOAT16 else np.float32
        flat = np.ascontiguousarray(tensors[self.tensor]).reshape(-1)
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK]
            yield self._cast(block, wanted)

    def _require_finite(self, block: np.ndarray) -> None:
        """Raise `BadInputError` for NaN and infinity, which would spoil every image."""
        import numpy as np

        if block.itemsize > 4:  # noqa: PLR2004  bytes of float32
            spoilt = not np.isfinite(block).all()
        else:
            infinite = 0x7C00 if block.itemsize == 2 else 0x7F800000  # noqa: PLR2004  half
            spoilt = largest_bits(block) >= infinite
        if spoilt:
            what = "NaN" if np.isnan(block).any() else "an infinite number"
            remedy = "the model is damaged, or its training failed: use another version of it"
            raise BadInputError(f"holds {what}", where=self.tensor, remedy=remedy)

    def _cast(self, block: np.ndarray, wanted: type[np.floating]) -> np.ndarray:
        import numpy as np

        largest = float(np.finfo(wanted).max)
        if block.dtype.itemsize <= np.dtype(wanted).itemsize:
            self._require_finite(block)
        else:
            low, high = float(block.min()), float(block.max())
            if not -largest <= low <= high <= largest:
                self._require_finite(block)
                raise BadInputError(
                    (
                        f"holds {(low if -low > high else high):g}, but float16 can hold at most "
                        "65504"
                    ),
                    where=self.tensor,
                    remedy="convert this component with --precision fp32",
                )
        return block.astype(wanted, copy=False)

    def identity(self) -> Hashable:
        """Return a key with the tensor's name."""
        return ("tensor", self.tensor)


@dataclass(frozen=True, slots=True)
class ComputedConstant:
    """A constant that the builder computed."""

    array: np.ndarray

    def blocks(self, tensors: Tensors, dtype: DataType) -> Iterator[np.ndarray]:  # noqa: ARG002
        """Yield the array itself, which has the right type by construction."""
        yield self.array.reshape(-1)

    def identity(self) -> Hashable:
        """Return a key with the array's bytes."""
        return ("table", self.array.tobytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One record of the weight file: the name of its constant, its offset, its content."""

    name: str
    type: TensorType
    offset: int
    source: RecordSource

    @property
    def nbytes(self) -> int:
        """The size of the data in bytes."""
        return data_size(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnProgram:
    """A complete program whose weights are still in the checkpoint.

    `parameters` counts the numbers that it takes from the checkpoint.
    """

    component: str
    model: Model
    payloads: tuple[Payload, ...]
    parameters: int


def lay_out(items: Iterable[tuple[str, TensorType, RecordSource]]) -> tuple[Payload, ...]:
    """Assign each record an offset in the weight file."""
    payloads: list[Payload] = []
    offset = ALIGNMENT
    for name, kind, source in items:
        payloads.append(Payload(name=name, type=kind, offset=offset, source=source))
        offset = align(offset + ALIGNMENT + data_size(kind))
    return tuple(payloads)

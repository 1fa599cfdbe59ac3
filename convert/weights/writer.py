"""Writes a safetensors file as a stream: to a temporary file that is checked and then renamed.

Data is read and written in blocks, so memory does not grow with the model.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sdcoreml.convert.weights.cast import cast_block
from sdcoreml.convert.weights.dtypes import FLOATS, SIZES
from sdcoreml.convert.weights.gather import gather
from sdcoreml.convert.weights.hashing import StreamDigest
from sdcoreml.convert.weights.header import PYTORCH, build
from sdcoreml.convert.weights.replacing import judge_repeats
from sdcoreml.convert.weights.tensor import TensorInfo, name_early_end
from sdcoreml.convert.weights.transfer import ShortReadError, new_buffers, read_blocks, write_at
from sdcoreml.ground.aside import file_aside, require_space, reserve
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import open_handle, open_regular

TICK = 32 << 20
"""The least number of bytes between two progress events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A tensor that is computed while it is written; `blocks` yields its bytes, of type `dtype`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    blocks: Callable[[], Iterable[memoryview]]


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """Options for writing.

    `dtype`: cast every floating-point tensor to it. `digest`: also compute the SHA-256. `repeats`:
    write even tensors that are far larger than the data that they are read from.
    """

    dtype: str | None = None
    digest: bool = False
    repeats: bool = False
    metadata: Mapping[str, str] = field(default_factory=lambda: PYTORCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file that was written. `overflows` counts finite values made infinite by a cast."""

    path: Path
    nbytes: int
    sha256: str | None
    overflows: Mapping[str, int]


def write_safetensors(
    tensors: Sequence[TensorInfo | Computed],
    path: Path,
    options: WriteOptions | None = None,
    emit: Emit = silent,
) -> Written:
    """Write `tensors` to `path`, byte for byte as `safetensors.torch.save_file` would.

    Raises:
        BadInputError: two tensors have one name, a source file became shorter, or tensors are far
            larger than their stored data.
        NoSpaceError: the disk has too little space, before or while writing.
    """
    options = options or WriteOptions()
    named = {tensor.name: tensor for tensor in tensors}
    if len(named) != len(tensors):
        raise BadInputError(
            "two tensors have the same name", where=path, remedy="rename one of them"
        )
    plan = [(name, _target_type(tensor, options), tensor.shape) for name, tensor in named.items()]
    judge_repeats(tensors, emit, is_meant=options.repeats)
    first, header = build(plan, options.metadata)
    require_space(path, header.nbytes)
    with file_aside(path) as target:
        reserve(target, header.nbytes)
        with closing(_Stream(target, _Ticker(path.name, header.nbytes, emit), options)) as stream:
            stream.write(first)
            for entry in header.entries:
                stream.add(named[entry.name], entry.dtype)
        if not os.fstat(target).st_size == stream.position == header.nbytes:
            raise SdcoremlError(
                "the file has a different size than planned",
                where=path,
                remedy="please report this",
            )
    return Written(
        path=path,
        nbytes=header.nbytes,
        sha256=stream.digest.hexdigest() if stream.digest else None,
        overflows=stream.overflows,
    )


def target_nbytes(tensor: TensorInfo | Computed, options: WriteOptions) -> int:
    """Return the bytes that `tensor` takes in a file written with `options`."""
    return math.prod(tensor.shape) * SIZES[_target_type(tensor, options)]


def is_already(path: Path, tensors: Sequence[TensorInfo], options: WriteOptions) -> bool:
    """Whether the file at `path` equals, byte for byte, the file that `tensors` would give."""
    if options.dtype and any(tensor.dtype in FLOATS - {options.dtype} for tensor in tensors):
        return False
    first, header = build(((t.name, t.dtype, t.shape) for t in tensors), options.metadata)
    places = {tensor.name: tensor.start for tensor in tensors if tensor.path == path}
    with open_regular(path) as file:
        return file.read(len(first)) == first and all(
            places.get(entry.name) == entry.begin for entry in header.entries
        )


def _target_type(tensor: _Named, options: WriteOptions) -> str:
    return options.dtype if options.dtype and tensor.dtype in FLOATS else tensor.dtype


class _Ticker:
    """Emits progress events for a file, with at least `TICK` bytes between them."""

    def __init__(self, label: str, total: int, emit: Emit) -> None:
        self._label, self._total, self._emit = label, total, emit
        self._told = 0

    def reach(self, position: int) -> None:
        if position - self._told >= TICK or position == self._total:
            self._told = position
            self._emit(
                Event(kind="progress", text=self._label, done=position, total=self._total, unit="B")
            )


class _Stream:
    """The safetensors file while it is written, from front to back."""

    def __init__(self, target: int, ticker: _Ticker, options: WriteOptions) -> None:
        self.position = 0
        self.digest = StreamDigest() if options.digest else None
        self.overflows: dict[str, int] = {}
        self._target, self._ticker = target, ticker
        # While the digest looks at one block, the next is read into the other.
        self._buffers = new_buffers(2 if options.digest else 1)
        self._sources: dict[Path, int] = {}

    def close(self) -> None:
        for handle in self._sources.values():
            os.close(handle)
        if self.digest:
            self.digest.close()

    def write(self, data: bytes | memoryview) -> None:
        if self.digest:
            self.digest.update(data)
        write_at(self._target, data, self.position)
        self.position += len(data)
        self._ticker.reach(self.position)

    def add(self, tensor: TensorInfo | Computed, dtype: str) -> None:
        """Append `tensor`, cast to `dtype` if it has another type."""
        try:
            for block in self._blocks(tensor):
                self.write(block if dtype == tensor.dtype else self._cast(tensor, block, dtype))
        except ShortReadError:
            if isinstance(tensor, Computed):  # whose parts say so themselves
                raise
            raise name_early_end(tensor.path, tensor.name) from None

    def _blocks(self, tensor: TensorInfo | Computed) -> Iterable[memoryview]:
        if isinstance(tensor, Computed):
            return tensor.blocks()
        if tensor.stride is not None:
            return gather(tensor)
        source = self._open(tensor.path)
        return read_blocks(source, tensor.start, tensor.nbytes, self._buffers)

    def _cast(self, tensor: TensorInfo | Computed, block: memoryview, dtype: str) -> memoryview:
        data, overflows = cast_block(block, tensor.dtype, dtype)
        if overflows:
            self.overflows[tensor.name] = self.overflows.get(tensor.name, 0) + overflows
        return data

    def _open(self, path: Path) -> int:
        if path not in self._sources:
            self._sources[path] = open_handle(path)
        return self._sources[path]

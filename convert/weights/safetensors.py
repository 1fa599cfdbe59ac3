"""Reads safetensors files: their headers, and their tensors as numpy views of mapped pages."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sdcoreml.convert.weights.dtypes import NUMPY, SIZES
from sdcoreml.convert.weights.header import Header, HeaderError, parse, parse_length
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import open_regular

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self


def read_header(path: Path) -> Header:
    """Read the header of the file at `path`, and check it against the format and the file's size.

    Raises:
        BadInputError: the file is truncated, or its header violates a rule of the format.
    """
    try:
        return _read(path)
    except HeaderError as error:
        raise BadInputError(f"{error}", where=path, remedy="download the file again") from None


def _read(path: Path) -> Header:
    with open_regular(path) as file:
        length = parse_length(file.read(8))
        size = file.seek(0, 2)
        if 8 + length > size:
            raise HeaderError(
                f"truncated: the header ends at byte {8 + length:,}, the file has {size:,}"
            )
        file.seek(8)
        header = parse(file.read(length))
    if header.nbytes > size:
        short = header.nbytes - size
        raise HeaderError(f"truncated: {short:,} of {header.nbytes:,} bytes are missing")
    if header.nbytes < size:
        raise HeaderError(f"{size - header.nbytes:,} bytes follow the last tensor")
    return header


def tensors_of(path: Path, header: Header) -> tuple[TensorInfo, ...]:
    """Return the tensors that `header` describes, in the order of the file."""
    return tuple(
        TensorInfo(name=name, dtype=dtype, shape=shape, path=path, start=begin)
        for name, dtype, shape, begin, _ in header.entries
    )


class TensorFile:
    """A safetensors file as a mapping from name to array, without copying.

    Arrays are read-only views of mapped pages in the stored type. Two types are exceptions: numpy
    has no BF16, so that is widened to float32 (a copy), and 8-bit floats are returned as raw bytes.
    Views live as long as they are referenced; `release` only gives their pages back to the system,
    which reads them again when needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        header = read_header(path)
        self.metadata: Mapping[str, str] = header.metadata
        self._tensors = {tensor.name: tensor for tensor in tensors_of(path, header)}
        with open_regular(path) as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map the file at `path`. Raises `BadInputError` for an invalid one."""
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def leave_aside(self, names: Iterable[str]) -> None:
        """Ignore the tensors with these names, as if the file did not have them."""
        for name in names:
            del self._tensors[name]

    def close(self) -> None:
        """Unmap the file now, or when the last array that views it is gone."""
        try:
            self._map.close()
        except BufferError:
            self.release()

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __len__(self) -> int:
        return len(self._tensors)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the tensor `name` as stored (BF16 widened to float32). Raises `KeyError`."""
        import numpy as np

        tensor = self._tensors[name]
        stored = {"BF16": "<u2"}.get(tensor.dtype) or NUMPY.get(tensor.dtype, "|u1")
        array = np.frombuffer(self._map, stored, tensor.numel, tensor.start).reshape(tensor.shape)
        if tensor.dtype == "BF16":
            return (array.astype("<u4") << 16).view("<f4")
        return array

    def names(self) -> tuple[str, ...]:
        """Return every name, in the order of the file."""
        return tuple(self._tensors)

    def info(self, name: str) -> TensorInfo:
        """Return type, shape and location of a tensor. Raises `KeyError`."""
        return self._tensors[name]

    def release(self) -> None:
        """Release the mapped pages, so that only copied arrays take memory."""
        self._map.madvise(mmap.MADV_DONTNEED)

    @property
    def nbytes(self) -> int:
        """The size in bytes of all tensors."""
        return sum(tensor.numel * SIZES[tensor.dtype] for tensor in self._tensors.values())

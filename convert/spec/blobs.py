"""Reads and writes the weight file of an ML Program: records of raw tensor data.

Layout (MILBlob of apple/coremltools, mlmodel/src/MILBlob/Blob/StorageFormat.hpp): a header of 64
bytes, then records, each a descriptor of 64 bytes that states where its data is. Descriptors and
data start at multiples of 64; a program refers to a descriptor by its offset.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.spec.model import Blob, DataType, TensorType
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import open_regular, refuse_pointer

ALIGNMENT = 64
VERSION = 2
SENTINEL = 0xDEADBEEF
PREFIX = "@model_path/"
"""The prefix of a program's blob paths, which stands for the folder of the model's file."""
WEIGHT_FILE = f"{PREFIX}weights/weight.bin"
"""The path of the weight file, as a package's program states it."""

DTYPES: Mapping[int, DataType] = {
    1: DataType.FLOAT16,
    2: DataType.FLOAT32,
    3: DataType.UINT8,
    4: DataType.INT8,
    5: DataType.BFLOAT16,
    6: DataType.INT16,
    7: DataType.UINT16,
    8: DataType.INT4,
    9: DataType.UINT1,
    10: DataType.UINT2,
    11: DataType.UINT4,
    12: DataType.UINT3,
    13: DataType.UINT6,
    14: DataType.INT32,
    15: DataType.UINT32,
    16: DataType.FLOAT8E4M3FN,
    17: DataType.FLOAT8E5M2,
}
"""Maps the numbers of MILBlob's `BlobDataType` to element types."""

BITS: Mapping[DataType, int] = {
    DataType.UINT1: 1,
    DataType.UINT2: 2,
    DataType.UINT3: 3,
    DataType.INT4: 4,
    DataType.UINT4: 4,
    DataType.UINT6: 6,
    DataType.INT8: 8,
    DataType.UINT8: 8,
    DataType.FLOAT8E4M3FN: 8,
    DataType.FLOAT8E5M2: 8,
    DataType.INT16: 16,
    DataType.UINT16: 16,
    DataType.FLOAT16: 16,
    DataType.BFLOAT16: 16,
    DataType.INT32: 32,
    DataType.UINT32: 32,
    DataType.FLOAT32: 32,
}
"""The number of bits per element."""

_CODES = {dtype: code for code, dtype in DTYPES.items()}


def data_size(kind: TensorType) -> int:
    """Return the size of a tensor's data in a weight file, in bytes."""
    return (kind.count * BITS[kind.dtype] + 7) // 8


def align(offset: int) -> int:
    """Return the first offset from `offset` on where a descriptor or data may start."""
    return offset + -offset % ALIGNMENT


def header(count: int) -> bytes:
    """Build the header of a weight file with `count` records."""
    return struct.pack("<II56x", count, VERSION)


def descriptor(kind: TensorType, offset: int) -> bytes:
    """Build the descriptor at `offset` of a record whose data follows immediately."""
    size = data_size(kind)
    unused = 8 * size - kind.count * BITS[kind.dtype]
    code = _CODES[kind.dtype]
    return struct.pack("<IIQQQ32x", SENTINEL, code, size, offset + ALIGNMENT, unused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A descriptor: its offset, and the type, size and offset of its data."""

    offset: int
    dtype: DataType
    nbytes: int
    data_offset: int
    padding_bits: int = 0
    """Unused bits at the end of the data, for elements smaller than a byte."""

    @property
    def count(self) -> int:
        """The number of elements in the data."""
        return (self.nbytes * 8 - self.padding_bits) // BITS[self.dtype]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedWeights:
    """A mapped weight file. Views returned by `data` keep the mapping alive after closing."""

    path: Path
    view: memoryview
    count: int
    """The number of records in the header."""

    def record(self, offset: int) -> Record:
        """Read the record whose descriptor is at `offset`.

        Raises:
            BadInputError: there is none, or its data lies outside the file.
        """
        if offset % ALIGNMENT or not ALIGNMENT <= offset <= len(self.view) - ALIGNMENT:
            raise self._bad(f"no record at offset {offset} of {len(self.view)} bytes")
        fields = struct.unpack_from("<IIQQQ", self.view, offset)
        sentinel, code, nbytes, data_offset, padding = fields
        if sentinel != SENTINEL:
            raise self._bad(f"no record at offset {offset}: {sentinel:#010x} is not {SENTINEL:#x}")
        if code not in DTYPES:
            raise self._bad(f"the record at offset {offset} has the unknown element type {code}")
        if data_offset % ALIGNMENT or data_offset + nbytes > len(self.view):
            raise self._bad(
                f"the record at offset {offset} has {nbytes} bytes at {data_offset}: misaligned,"
                f" or beyond the file's {len(self.view)} bytes"
            )
        dtype = DTYPES[code]
        # coremltools before 8 leaves this field uninitialised for elements of whole bytes
        padding = padding if BITS[dtype] < 8 else 0  # noqa: PLR2004  bits of a byte
        if padding > 7 or (nbytes * 8 - padding) % BITS[dtype]:  # noqa: PLR2004  less than a byte
            raise self._bad(
                f"the record at offset {offset} does not hold a whole number of {dtype.name} in"
                f" {nbytes} bytes minus {padding} bits"
            )
        return Record(
            offset=offset, dtype=dtype, nbytes=nbytes, data_offset=data_offset, padding_bits=padding
        )

    def data(self, record: Record) -> memoryview:
        """Return the bytes of a record, without a copy."""
        return self.view[record.data_offset : record.data_offset + record.nbytes]

    def read(self, blob: Blob, dtype: DataType) -> memoryview:
        """Return the bytes that `blob` refers to, whose record must have the type `dtype`.

        Raises:
            BadInputError: there is no such record, or it has another type.
        """
        if not blob.path.startswith(PREFIX) or Path(blob.path).name != self.path.name:
            raise self._bad(f"a constant refers to a different file, {blob.path!r}")
        record = self.record(blob.offset)
        if record.dtype is not dtype:
            raise self._bad(
                f"the record at offset {blob.offset} is {record.dtype.name}, not {dtype.name}"
            )
        return self.data(record)

    def release(self) -> None:
        """Release the mapped pages. Reading one record maps the 64 KB around it."""
        if isinstance(self.view.obj, mmap.mmap):
            self.view.obj.madvise(mmap.MADV_DONTNEED)

    def records(self) -> Iterator[Record]:
        """Yield every record that the header counts, in file order.

        Raises:
            BadInputError: one of them is damaged or missing.
        """
        offset = ALIGNMENT
        for _ in range(self.count):
            record = self.record(offset)
            yield record
            end = record.data_offset + record.nbytes
            if end <= offset:  # otherwise a damaged file would cause an endless loop
                raise self._bad(f"the data of the record at offset {offset} lies before it")
            offset = align(end)

    def _bad(self, what: str) -> BadInputError:
        return BadInputError(
            f"{what}", where=self.path, remedy="make or download the package again"
        )


@contextmanager
def open_weights(path: Path) -> Iterator[MappedWeights]:
    """Map the weight file at `path`.

    Raises:
        BadInputError: it is not readable, a Git LFS pointer, or not a weight file of version 2.
    """
    with open_regular(path, remedy="check the path") as stream:
        head = stream.read(ALIGNMENT)
        pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if head else b""
    refuse_pointer(head, path)
    if len(head) < ALIGNMENT or struct.unpack_from("<I", head, 4) != (VERSION,):
        raise BadInputError(
            f"not a weight file of version {VERSION} ({len(pages)} bytes, beginning {head[:8]!r})",
            where=path,
            remedy="make or download the package again",
        )
    (count,) = struct.unpack_from("<I", head)
    yield MappedWeights(path=path, view=memoryview(pages), count=count)

"""Reads a program's constants as numpy arrays: immediate values, blobs, bit-packed integers.

This module needs only numpy, so the weight audit can use it where torch is absent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from sdcoreml.convert.spec.model import Blob, DataType, Elements, TensorType, Value
from sdcoreml.ground.errors import ParityError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

NUMPY: Mapping[DataType, str] = {
    DataType.BOOL: "?",
    DataType.FLOAT16: "<f2",
    DataType.FLOAT32: "<f4",
    DataType.FLOAT64: "<f8",
    DataType.BFLOAT16: "<u2",
    DataType.INT8: "i1",
    DataType.INT16: "<i2",
    DataType.INT32: "<i4",
    DataType.INT64: "<i8",
    DataType.UINT8: "u1",
    DataType.UINT16: "<u2",
    DataType.UINT32: "<u4",
    DataType.UINT64: "<u8",
}
"""The numpy type in which each whole-byte type is stored. BFLOAT16 is widened on reading."""

PACKED: Mapping[DataType, int] = {
    DataType.INT4: 4,
    DataType.UINT1: 1,
    DataType.UINT2: 2,
    DataType.UINT3: 3,
    DataType.UINT4: 4,
    DataType.UINT6: 6,
}
"""The width in bits of packed types, whose elements share bytes, lowest bits first."""

FLOATS = frozenset({DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64, DataType.BFLOAT16})


class BlobStorage(Protocol):
    """A source of blobs, such as the weight file of a package."""

    def read(self, blob: Blob, dtype: DataType) -> bytes | bytearray | memoryview:
        """Read the bytes of a blob; its record must have the type `dtype`.

        Raises:
            BadInputError: there is no such record, or it has another type.
        """
        ...


@runtime_checkable
class Located(BlobStorage, Protocol):
    """A storage of blobs in files, which another process can open, too."""

    def locate(self, blob: Blob) -> tuple[Path, Blob]:
        """Return the weight file that holds a blob, and the blob as its own program states it."""
        ...


@runtime_checkable
class Mapped(Protocol):
    """A mapped file, or several."""

    def release(self) -> None:
        """Release the mapped pages; what is read again later is mapped again."""
        ...


@runtime_checkable
class Mappable(BlobStorage, Protocol):
    """A storage of blobs that copies what it reads, but could also map it."""

    @property
    def mapped(self) -> BlobStorage:
        """The same storage, whose blobs are views of mapped pages."""
        ...


def as_mapped(storage: BlobStorage) -> BlobStorage:
    """Return the same storage with views of mapped pages, if it can map them."""
    return storage.mapped if isinstance(storage, Mappable) else storage


def array(value: Value, storage: BlobStorage) -> Array:
    """Read a numeric or boolean constant, in its declared shape.

    BFLOAT16 becomes float32 (exactly); the packed integers become int8 or uint8.

    Raises:
        ParityError: the data does not fill the declared type.
        UnsupportedError: constants of this type are not implemented.
    """
    import numpy as np

    dtype, shape = tensor_type(value)
    count = math.prod(shape)
    match value.data:
        case Blob() as blob:
            flat = decode(storage.read(blob, dtype), dtype, count)
        case Elements(values=bytes() as raw):
            flat = decode(raw, dtype, count)
        case Elements(values=values):
            flat = np.array(values, dtype=_find_stored_dtype(dtype))
        case _:
            raise UnsupportedError("a constant is a list or dictionary where a tensor is expected")
    if flat.size == 1 and count > 1:  # one element may be stored in place of many equal ones
        flat = np.repeat(flat, count)
    if flat.size != count:
        raise ParityError(f"a constant of shape {shape} holds {flat.size} elements, not {count}")
    return flat.reshape(shape)


def stored_bytes(value: Value, storage: BlobStorage) -> Array:
    """Return the bytes of a constant as they are stored, flat, uint8.

    Raises:
        UnsupportedError: it is not stored as bytes.
    """
    import numpy as np

    dtype, _ = tensor_type(value)
    match value.data:
        case Blob() as blob:
            return np.frombuffer(storage.read(blob, dtype), "u1")
        case Elements(values=bytes() as raw):
            return np.frombuffer(raw, "u1")
    raise UnsupportedError(f"a constant of {dtype.name} is not stored as bytes")


def text(value: Value) -> str:
    """Return the text of a string constant."""
    values = value.data.values if isinstance(value.data, Elements) else ()
    if len(values) != 1 or not isinstance(values[0], str):
        raise UnsupportedError("a string constant does not hold exactly one string")
    return values[0]


def is_text(value: Value) -> bool:
    """Whether the constant is a string."""
    return isinstance(value.type, TensorType) and value.type.dtype is DataType.STRING


def tensor_type(value: Value) -> tuple[DataType, tuple[int, ...]]:
    """Return element type and shape of a constant, both of which must be known."""
    if not isinstance(value.type, TensorType):
        raise UnsupportedError("a constant is neither a tensor nor a string")
    shape = tuple(size for size in value.type.shape if size is not None)
    if len(shape) != len(value.type.shape):
        raise ParityError("a constant declares a dimension of unknown size")
    return value.type.dtype, shape


def decode(raw: bytes | bytearray | memoryview, dtype: DataType, count: int) -> Array:
    """Decode `count` elements from their stored bytes into a flat array.

    Raises:
        ParityError: the number of bytes does not fit.
    """
    import numpy as np

    if dtype in PACKED:
        needed = -(-count * PACKED[dtype] // 8)
        if len(raw) != needed:
            raise ParityError(
                f"{count} elements of {dtype.name} need {needed} bytes, not {len(raw)}"
            )
        codes = unpack(np.frombuffer(raw, "u1"), PACKED[dtype], count)
        return _read_signed(codes, PACKED[dtype]) if dtype is DataType.INT4 else codes
    stored = _find_stored_dtype(dtype)
    if len(raw) % stored.itemsize:
        raise ParityError(f"{len(raw)} bytes do not hold whole elements of {dtype.name}")
    flat = np.frombuffer(raw, stored)
    if dtype is DataType.BFLOAT16:
        return (flat.astype("<u4") << 16).view("<f4")
    return flat


def unpack(raw: Array, bits: int, count: int) -> Array:
    """Unpack the first `count` unsigned codes of 1 to 8 bits, packed lowest bit first.

    Eight codes fill exactly `bits` bytes, whatever `bits` is, so groups of eight go through one
    64-bit word each.
    """
    import numpy as np

    if bits == 8:  # noqa: PLR2004  a code of eight bits is a byte
        return raw[:count]
    words = _words(np.ascontiguousarray(raw), bits)
    moved = np.empty_like(words)
    for room, used in ((32, 4 * bits), (16, 2 * bits), (8, bits)):
        # Of eight codes, four move, then pairs, then each; what is beyond the eight is cleared.
        low = np.uint64(sum((1 << used) - 1 << place for place in range(0, 64, 2 * room)))
        np.left_shift(words, np.uint64(room - used), out=moved)
        moved &= low << np.uint64(room)
        words &= low
        words |= moved
    return words.view("u1")[:count]


def _words(raw: Array, bits: int) -> Array:
    """Return a 64-bit word for each `bits` bytes, which are its lowest; the others are arbitrary.

    Words overlap in `raw`, so that each is read at once; only the last few lack bytes.
    """
    import numpy as np

    words = np.zeros(-(-raw.size // bits), "<u8")
    whole = max(0, (raw.size - 8) // bits + 1)
    words[:whole] = np.ndarray((whole,), "<u8", raw, 0, (bits,)) if whole else 0
    for number in range(whole, words.size):
        last = raw[number * bits : (number + 1) * bits]
        words[number : number + 1].view("u1")[: last.size] = last
    return words


def _read_signed(codes: Array, bits: int) -> Array:
    """Interpret codes of `bits` bits as two's complement, as int8."""
    shift = 8 - bits
    return (codes << shift).view("i1") >> shift


def _find_stored_dtype(dtype: DataType) -> np.dtype[Any]:
    import numpy as np

    if dtype in PACKED:
        return np.dtype("i1" if dtype is DataType.INT4 else "u1")
    if dtype not in NUMPY:
        raise UnsupportedError(f"constants of {dtype.name} are not implemented")
    return np.dtype(NUMPY[dtype])

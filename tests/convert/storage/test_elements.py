"""Constants of programs become arrays: whole bytes, packed codes, texts, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Elements,
    ListType,
    NamedType,
    Sequence,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.elements import (
    NUMPY,
    PACKED,
    array,
    as_mapped,
    decode,
    is_text,
    stored_bytes,
    tensor_type,
    text,
    unpack,
)
from sdcoreml.ground.errors import ParityError, UnsupportedError

FLOAT = TensorType(dtype=DataType.FLOAT32, shape=(2,))


class Kept:
    """Blobs by their offsets."""

    def __init__(self, blobs: Mapping[int, bytes]) -> None:
        self.blobs, self.asked = blobs, [(-1, DataType.BOOL)]

    def read(self, blob: Blob, dtype: DataType) -> bytes:
        self.asked.append((blob.offset, dtype))
        return self.blobs[blob.offset]


class Mapped(Kept):
    @property
    def mapped(self) -> Kept:
        return Kept({1: b""})


def value(kind: DataType, shape: tuple[int | None, ...], data: object) -> Value:
    elements = data if isinstance(data, Blob | Sequence) else Elements(values=data)  # type: ignore[arg-type]
    return Value(type=TensorType(dtype=kind, shape=shape), data=elements)


NONE = Kept({})


@pytest.mark.parametrize(
    ("kind", "raw", "numbers"),
    [
        (DataType.BOOL, b"\x01\x00", [True, False]),
        (DataType.FLOAT16, b"\x00\x3c\x00\xc0", [1, -2]),
        (DataType.FLOAT32, b"\x00\x00\x80\x3f\x00\x00\x00\xc0", [1, -2]),
        (DataType.FLOAT64, bytes(6) + b"\xf0\x3f" + bytes(7) + b"\xc0", [1, -2]),
        (DataType.BFLOAT16, b"\x80\x3f\x00\xc0", [1, -2]),
        (DataType.INT8, b"\x01\xfe", [1, -2]),
        (DataType.INT16, b"\x01\x02\xfe\xff", [513, -2]),
        (DataType.INT32, b"\x01\x02\x00\x00\xfe\xff\xff\xff", [513, -2]),
        (DataType.INT64, b"\x01\x02" + bytes(6) + b"\xfe" + b"\xff" * 7, [513, -2]),
        (DataType.UINT8, b"\x01\xfe", [1, 254]),
        (DataType.UINT16, b"\x01\x02\xfe\xff", [513, 65534]),
        (DataType.UINT32, b"\x01\x02\x00\x00\xfe\xff\xff\xff", [513, 2**32 - 2]),
        (DataType.UINT64, b"\x01\x02" + bytes(6) + b"\xfe" + b"\xff" * 7, [513, 2**64 - 2]),
        (DataType.INT4, b"\xe1", [1, -2]),
        (DataType.UINT1, b"\x01", [1, 0]),
        (DataType.UINT2, b"\x0b", [3, 2]),
        (DataType.UINT3, b"\x2f", [7, 5]),
        (DataType.UINT4, b"\xe1", [1, 14]),
        (DataType.UINT6, b"\xff\x0a", [63, 43]),
    ],
)
def test_stored_bytes_are_numbers(kind: DataType, raw: bytes, numbers: list[float]) -> None:
    store = Kept({64: raw})
    for data in (raw, Blob(path="weight.bin", offset=64)):
        found = array(value(kind, (1, 2), data), store)
        assert found.shape == (1, 2)
        assert found[0].tolist() == numbers
    assert store.asked[1:] == [(64, kind)]
    assert stored_bytes(value(kind, (2,), raw), store).tobytes() == raw
    assert stored_bytes(value(kind, (2,), Blob(path="", offset=64)), store).tobytes() == raw


def test_every_type_with_a_width_is_read_above() -> None:
    (mark,) = test_stored_bytes_are_numbers.pytestmark  # type: ignore[attr-defined]
    assert {kind for kind, *_ in mark.args[1]} == {*NUMPY, *PACKED}


def test_numbers_that_are_spelt_out_are_of_their_type() -> None:
    found = array(value(DataType.INT32, (3,), (1, 2, 3)), NONE)
    assert (found.dtype, found.tolist()) == (np.dtype("i4"), [1, 2, 3])
    assert array(value(DataType.INT4, (1,), (-8,)), NONE).dtype == np.dtype("i1")
    assert array(value(DataType.UINT6, (1,), (63,)), NONE).dtype == np.dtype("u1")
    assert array(value(DataType.INT32, (), (7,)), NONE).shape == ()


def test_one_element_may_stand_for_many() -> None:
    assert array(value(DataType.INT8, (2, 2), (5,)), NONE).tolist() == [[5, 5], [5, 5]]
    assert array(value(DataType.INT8, (0,), ()), NONE).shape == (0,)


@pytest.mark.parametrize(
    ("constant", "why"),
    [
        (value(DataType.INT8, (3,), (1, 2)), "a constant of shape (3,) holds 2 elements, not 3"),
        (value(DataType.INT8, (0,), (1,)), "a constant of shape (0,) holds 1 elements, not 0"),
        (value(DataType.INT16, (1,), b"abc"), "3 bytes do not hold whole elements of INT16"),
        (value(DataType.UINT3, (3,), b"a"), "3 elements of UINT3 need 2 bytes, not 1"),
        (value(DataType.UINT4, (2,), b"ab"), "2 elements of UINT4 need 1 bytes, not 2"),
        (value(DataType.INT8, (None,), (1,)), "a constant declares a dimension of unknown size"),
    ],
)
def test_what_does_not_fill_its_shape(constant: Value, why: str) -> None:
    with pytest.raises(ParityError) as caught:
        array(constant, NONE)
    assert caught.value.what == why


A_LIST = Value(type=ListType(element=FLOAT, length=1), data=Sequence(items=()))
IN_ORDER = Value(type=FLOAT, data=Sequence(items=()))


@pytest.mark.parametrize(
    ("constant", "why"),
    [
        (A_LIST, "a constant is neither a tensor nor a string"),
        (IN_ORDER, "a constant is a list or dictionary where a tensor is expected"),
        (value(DataType.STRING, (1,), ("a",)), "constants of STRING are not implemented"),
    ],
)
def test_what_is_no_array(constant: Value, why: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        array(constant, NONE)
    assert caught.value.what == why


def test_only_bytes_are_stored_as_bytes() -> None:
    with pytest.raises(UnsupportedError) as caught:
        stored_bytes(value(DataType.INT8, (1,), (1,)), NONE)
    assert caught.value.what == "a constant of INT8 is not stored as bytes"


def test_a_text_is_one_string() -> None:
    assert text(value(DataType.STRING, (), ("gelu",))) == "gelu"
    assert is_text(value(DataType.STRING, (), ("gelu",)))
    assert not is_text(value(DataType.INT8, (), (1,)))
    assert not is_text(A_LIST)
    for other in (value(DataType.STRING, (2,), ("a", "b")), value(DataType.INT8, (), (1,)), A_LIST):
        with pytest.raises(UnsupportedError) as caught:
            text(other)
        assert caught.value.what == "a string constant does not hold exactly one string"


def test_a_type_is_told_with_its_shape() -> None:
    assert tensor_type(value(DataType.INT8, (2, 3), ())) == (DataType.INT8, (2, 3))
    assert NamedType(name="x", type=FLOAT).type == FLOAT


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 200])
def test_codes_are_packed_lowest_bit_first(bits: int, count: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 1 << bits, count, np.uint8)
    stream = "".join(f"{code:0{bits}b}"[::-1] for code in codes)
    stream += "0" * (-len(stream) % 8)
    raw = bytes(int(stream[at : at + 8][::-1], 2) for at in range(0, len(stream), 8))
    assert unpack(np.frombuffer(raw, "u1"), bits, count).tolist() == codes.tolist()


def test_a_storage_that_can_map_does() -> None:
    assert as_mapped(NONE) is NONE
    found = as_mapped(Mapped({}))
    assert isinstance(found, Kept)
    assert found.blobs == {1: b""}


def test_bytes_are_decoded_flat() -> None:
    assert decode(b"\x01\x00\x02\x00", DataType.UINT16, 9).tolist() == [1, 2]

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.spec.wire import (
    DELIMITED,
    FIXED32,
    FIXED64,
    MAX_DEPTH,
    VARINT,
    Field,
    FieldKind,
    Schema,
    WireError,
    decoder,
    encoder,
    join,
    split,
    to_varint,
    varint,
)

SCHEMA: Schema = {
    "All": {
        1: Field(name="small", kind=FieldKind.INT32),
        2: Field(name="large", kind=FieldKind.INT64),
        3: Field(name="natural", kind=FieldKind.UINT64),
        4: Field(name="flag", kind=FieldKind.BOOL),
        5: Field(name="single", kind=FieldKind.FLOAT),
        6: Field(name="double", kind=FieldKind.DOUBLE),
        7: Field(name="words", kind=FieldKind.STRING),
        8: Field(name="raw", kind=FieldKind.BYTES),
        9: Field(name="inner", kind=FieldKind.MESSAGE, message="All"),
        10: Field(name="numbers", kind=FieldKind.INT64, repeated=True),
        11: Field(name="reals", kind=FieldKind.FLOAT, repeated=True),
        12: Field(name="lines", kind=FieldKind.STRING, repeated=True),
        13: Field(name="children", kind=FieldKind.MESSAGE, message="All", repeated=True),
        14: Field(name="doubles", kind=FieldKind.DOUBLE, repeated=True),
    }
}
EMPTY: dict[str, list[object]] = {
    field.name: [] for field in SCHEMA["All"].values() if field.repeated
}


def read(data: bytes) -> dict[str, object]:
    """Return a message's decoded fields, except absent ones and repeated ones without entries."""
    return {name: value for name, value in decoder(SCHEMA)(data, "All").items() if value != []}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", {}),
        (b"\x08\x96\x01", {"small": 150}),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", {"small": -1}),
        (b"\x08\xff\xff\xff\xff\x0f", {"small": -1}),
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", {"large": -1}),
        (b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", {"natural": 2**64 - 1}),
        (b"\x20\x01", {"flag": True}),
        (b"\x2d\x00\x00\x80\x3f", {"single": 1.0}),
        (b"\x31" + struct.pack("<d", 0.1), {"double": 0.1}),
        (b"\x3a\x02\xc3\xa9", {"words": "é"}),
        (b"\x42\x02\xff\x00", {"raw": b"\xff\x00"}),
        (b"\x4a\x02\x20\x01", {"inner": {**EMPTY, "flag": True}}),
        (b"\x52\x03\x01\x96\x01", {"numbers": [1, 150]}),
        (b"\x50\x01\x52\x01\x02\x50\x03", {"numbers": [1, 2, 3]}),
        (b"\x5a\x08\x00\x00\x80\x3f\x00\x00\x00\x40", {"reals": [1.0, 2.0]}),
        (b"\x72\x08" + struct.pack("<d", 0.1), {"doubles": [0.1]}),
        (b"\x62\x01a\x62\x00", {"lines": ["a", ""]}),
        (b"\x6a\x00\x6a\x00", {"children": [EMPTY, EMPTY]}),
        (b"\xfa\x07\x02hi", {}),
    ],
)
def test_fields_of_every_kind(data: bytes, expected: dict[str, object]) -> None:
    assert read(data) == expected


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ({}, b""),
        ({"small": 0, "words": "", "raw": None}, b"\x08\x00\x3a\x00"),
        ({"small": -1}, b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ({"natural": 2**64 - 1}, b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ({"flag": True}, b"\x20\x01"),
        ({"single": 1.0}, b"\x2d\x00\x00\x80\x3f"),
        ({"double": 0.1}, b"\x31" + struct.pack("<d", 0.1)),
        ({"words": "é"}, b"\x3a\x02\xc3\xa9"),
        ({"raw": b"\xff\x00"}, b"\x42\x02\xff\x00"),
        ({"inner": {"flag": True, "inner": {}}}, b"\x4a\x04\x20\x01\x4a\x00"),
        ({"numbers": (1, 150)}, b"\x52\x03\x01\x96\x01"),
        ({"numbers": ()}, b""),
        ({"reals": [1.0, 2.0]}, b"\x5a\x08\x00\x00\x80\x3f\x00\x00\x00\x40"),
        ({"lines": iter(["a", ""])}, b"\x62\x01a\x62\x00"),
        ({"children": [{}, {"flag": True}]}, b"\x6a\x00\x6a\x02\x20\x01"),
    ],
)
def test_fields_are_written_as_protobuf_has_them(message: dict[str, object], data: bytes) -> None:
    assert encoder(SCHEMA)(message, "All") == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "truncated inside the integer at byte 1"),
        (b"\x08\x80", "truncated inside the integer"),
        (b"\x08" + b"\x80" * 11, "more than ten bytes"),
        (b"\x3a\x05ab", "truncated: 5 bytes expected at byte 2 of 4"),
        (b"\x2d\x00", "truncated: 4 bytes expected"),
        (b"\x0b", "wire type 3"),
        (b"\x3d\x00\x00\x00\x00", "words has wire type 5, not 2"),
        (b"\x3a\x01\xff", "words is not UTF-8"),
        (b"\x5a\x03\x00\x00\x00", "3 bytes do not hold whole numbers of 4 bytes"),
        (b"\x20\x01\x20\x00", "All.flag is written twice"),
    ],
)
def test_faults_say_what_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        read(data)


def test_messages_may_not_be_nested_without_end() -> None:
    data = b""
    for _ in range(MAX_DEPTH + 1):
        data = join(9, DELIMITED, data)
    with pytest.raises(WireError, match="nested more than 100 deep"):
        read(data)


@given(st.integers(0, 2**64 - 1))
def test_integers_round_trip(value: int) -> None:
    encoded = to_varint(value)
    assert varint(encoded + b"\x01", 0) == (value, len(encoded))


FIELDS = st.one_of(
    st.tuples(st.integers(1, 2**28), st.just(VARINT), st.integers(0, 2**64 - 1)),
    st.tuples(st.integers(1, 2**28), st.just(DELIMITED), st.binary(max_size=20)),
    st.tuples(st.integers(1, 2**28), st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(st.integers(1, 2**28), st.just(FIXED64), st.binary(min_size=8, max_size=8)),
)


@given(st.lists(FIELDS))
def test_fields_are_taken_apart_and_joined(fields: list[tuple[int, int, int | bytes]]) -> None:
    assert list(split(b"".join(join(*field) for field in fields))) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        decoder(SCHEMA)(data, "All")
    except WireError as error:
        assert str(error)  # noqa: PT017  both outcomes are right

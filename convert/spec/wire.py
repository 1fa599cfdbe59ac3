"""Reads and writes the protocol-buffer wire format, driven by tables of field numbers.

The encoding is that of https://protobuf.dev/programming-guides/encoding/. Fields that a table does
not name are skipped, as the format requires. In one point this module is stricter than protobuf: a
singular field that occurs twice is refused, because no writer does that and a checker must not
guess.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types; 3 and 4 (groups) are not used by any Core ML message."""

MAX_DEPTH = 100
"""The maximum nesting depth of messages, as in protobuf's own readers."""


class WireError(ValueError):
    """Raised for bytes that are not a well-formed message of the schema."""


class FieldKind(Enum):
    """The type of a field's payload."""

    INT32 = auto()
    INT64 = auto()
    UINT64 = auto()
    BOOL = auto()
    FLOAT = auto()
    DOUBLE = auto()
    STRING = auto()
    BYTES = auto()
    MESSAGE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field: its name, its kind, and the name of its message's table if it is a message.

    Repeated numbers may be packed or not; a repeated field gives a list, empty if it is absent.
    """

    name: str
    kind: FieldKind
    message: str = ""
    repeated: bool = False


Schema: TypeAlias = Mapping[str, Mapping[int, Field]]
"""Maps each message's name to a table of its fields by number."""

FieldValue: TypeAlias = Any
"""A value of the type that the field's kind states, or a list of them if the field is repeated."""

Message: TypeAlias = dict[str, FieldValue]
"""Maps field names to values; a nested message is a `Message`, and absent fields are left out."""

_WIRE: Mapping[FieldKind, int] = {
    FieldKind.INT32: VARINT,
    FieldKind.INT64: VARINT,
    FieldKind.UINT64: VARINT,
    FieldKind.BOOL: VARINT,
    FieldKind.FLOAT: FIXED32,
    FieldKind.DOUBLE: FIXED64,
    FieldKind.STRING: DELIMITED,
    FieldKind.BYTES: DELIMITED,
    FieldKind.MESSAGE: DELIMITED,
}
_FIXED: Mapping[int, int] = {FIXED64: 8, FIXED32: 4}
_FORMATS: Mapping[FieldKind, str] = {FieldKind.FLOAT: "f", FieldKind.DOUBLE: "d"}
_UINT64 = 0xFFFFFFFFFFFFFFFF


Decoder: TypeAlias = Callable[["bytes | memoryview", str], Message]


def decoder(schema: Schema) -> Decoder:
    """Return a function that decodes a message, given its bytes and its name.

    It raises `WireError` if the message is truncated, nested too deep, has another wire type than
    the table states, a string that is not UTF-8, or a singular field that occurs twice.
    """
    # Look-ups are done once here: a program has a hundred thousand fields.
    tables = {
        name: (
            {number: (field, _WIRE[field.kind]) for number, field in table.items()},
            tuple(field.name for field in table.values() if field.repeated),
        )
        for name, table in schema.items()
    }

    def read(data: bytes | memoryview, message: str, depth: int) -> Message:
        if depth > MAX_DEPTH:
            raise WireError(f"messages are nested more than {MAX_DEPTH} deep")
        table, repeated = tables[message]
        found: Message = {name: [] for name in repeated}
        for number, wire, payload in split(data):
            if number not in table:
                continue
            field, wanted = table[number]
            name = field.name
            if wire != wanted:
                if not field.repeated or wire != DELIMITED or isinstance(payload, int):
                    raise WireError(f"{name} has wire type {wire}, not {wanted}")
                found[name] += _unpack_numbers(payload, field.kind)
                continue
            if field.message and not isinstance(payload, int):
                value = read(payload, field.message, depth + 1)
            else:
                value = _single(payload, field)
            if field.repeated:
                found[name].append(value)
            elif name in found:
                raise WireError(f"{message}.{name} is written twice")
            else:
                found[name] = value
        return found

    return lambda data, message: read(data, message, 0)


Encoder: TypeAlias = Callable[[Mapping[str, FieldValue], str], bytes]


def encoder(schema: Schema) -> Encoder:
    """Return a function that encodes a message, given its name, so that `decoder` can read it.

    Fields are written in the message's order, and `None` is left out. Repeated numbers are packed.
    Repeated fields may be any iterables.
    """

    def encode(message: Mapping[str, FieldValue], name: str) -> bytes:
        written: list[bytes] = []
        writers = tables[name]
        for key, value in message.items():
            if value is not None:
                writers[key](value, written)
        return b"".join(written)

    tables = {
        name: {field.name: _writer(number, field, encode) for number, field in table.items()}
        for name, table in schema.items()
    }
    return encode


def _writer(
    number: int, field: Field, encode: Encoder
) -> Callable[[FieldValue, list[bytes]], None]:
    """Return a function that appends a field's bytes to a list; all look-ups are done once here."""
    kind, inner, wire = field.kind, field.message, _WIRE[field.kind]
    tag = to_varint(number << 3 | (DELIMITED if field.repeated else wire))
    pack = functools.partial(_pack, _FORMATS.get(kind, ""))
    texts: Mapping[FieldKind, Callable[[FieldValue], bytes]] = {
        FieldKind.STRING: str.encode,
        FieldKind.BYTES: bytes,
    }
    plain = texts.get(kind, pack)

    def write_delimited(value: FieldValue, written: list[bytes]) -> None:
        body = encode(value, inner) if inner else plain(value)
        written += (tag, to_varint(len(body)), body)

    def each(values: Iterable[FieldValue], written: list[bytes]) -> None:
        for value in values:
            body = encode(value, inner) if inner else plain(value)
            written += (tag, to_varint(len(body)), body)

    def single(value: float, written: list[bytes]) -> None:
        written += (tag, pack((value,)))

    def write_packed(values: Sequence[float], written: list[bytes]) -> None:
        if values:
            write_delimited(values, written)

    if wire == DELIMITED:
        return each if field.repeated else write_delimited
    return write_packed if field.repeated else single


def _pack(form: str, values: Sequence[FieldValue]) -> bytes:
    """Encode numbers in the `struct` format `form`, or as varints if it is empty."""
    if form:
        return struct.pack(f"<{len(values)}{form}", *values)
    return b"".join(map(to_varint, values))


def split(data: bytes | memoryview) -> Iterator[tuple[int, int, int | bytes | memoryview]]:
    """Yield field number, wire type and payload of each field, in file order.

    The payload is an unsigned integer for a varint field, otherwise a slice of `data`: a copy of
    bytes, but not of a memoryview.
    """
    position, end = 0, len(data)
    while position < end:
        tag = data[position]
        if tag < 0x80:  # noqa: PLR2004  one byte, as nearly always
            position += 1
        else:
            tag, position = varint(data, position)
        wire = tag & 7
        if wire == VARINT:
            payload: int | bytes | memoryview
            payload, position = varint(data, position)
        else:
            if wire == DELIMITED:
                if position < end and data[position] < 0x80:  # noqa: PLR2004  as above
                    size = data[position]
                    position += 1
                else:
                    size, position = varint(data, position)
            elif wire in _FIXED:
                size = _FIXED[wire]
            else:
                raise WireError(f"unknown wire type {wire} at byte {position}")
            start, position = position, position + size
            if position > end:
                raise WireError(f"truncated: {size} bytes expected at byte {start} of {end}")
            payload = data[start:position]
        yield tag >> 3, wire, payload


def join(number: int, wire: int, payload: int | bytes | memoryview) -> bytes:
    """Encode one field, the reverse of `split`."""
    head = to_varint(number << 3 | wire)
    if isinstance(payload, int):
        return head + to_varint(payload)
    return head + (to_varint(len(payload)) if wire == DELIMITED else b"") + bytes(payload)


@functools.lru_cache(maxsize=4096)
def to_varint(value: int) -> bytes:
    """Return the encoding of a 64-bit integer; a negative one takes ten bytes."""
    value &= _UINT64
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004  seven bits a byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Read the unsigned 64-bit integer at `position`; return it with its end position."""
    try:
        byte = data[position]
        if byte < 0x80:  # noqa: PLR2004  nearly always: the eighth bit says that more follows
            return byte, position + 1
        value = byte & 0x7F
        for shift in range(7, 70, 7):
            position += 1
            byte = data[position]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  as above
                return value & _UINT64, position + 1
    except IndexError:
        raise WireError(f"truncated inside the integer at byte {position}") from None
    raise WireError(f"an integer of more than ten bytes before byte {position}")


def _single(payload: int | bytes | memoryview, field: Field) -> FieldValue:
    """Read the payload of a field that is no message."""
    kind = field.kind
    if isinstance(payload, int):
        return _integer(payload, kind)
    if kind is FieldKind.STRING:
        return _text(payload, field.name)
    if kind is FieldKind.BYTES:
        return bytes(payload)
    return struct.unpack(f"<{_FORMATS[kind]}", payload)[0]


def _unpack_numbers(payload: bytes | memoryview, kind: FieldKind) -> list[FieldValue]:
    """Read the numbers of a packed repeated field."""
    if _WIRE[kind] == VARINT:
        position, values = 0, []
        while position < len(payload):
            value, position = varint(payload, position)
            values.append(_integer(value, kind))
        return values
    size = _FIXED[_WIRE[kind]]
    if len(payload) % size:
        raise WireError(f"{len(payload)} bytes do not hold whole numbers of {size} bytes")
    return list(struct.unpack(f"<{len(payload) // size}{_FORMATS[kind]}", payload))


def _integer(value: int, kind: FieldKind) -> int | bool:
    if kind is FieldKind.INT64:
        return value - (1 << 64) if value >> 63 else value
    if (
        kind is FieldKind.INT32
    ):  # a negative one is written as ten bytes; only the low 32 bits count
        value &= 0xFFFFFFFF
        return value - (1 << 32) if value >> 31 else value
    return bool(value) if kind is FieldKind.BOOL else value


def _text(payload: bytes | memoryview, name: str) -> str:
    try:
        return str(payload, "utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"{name} is not UTF-8: {bytes(payload[:24])!r}") from error

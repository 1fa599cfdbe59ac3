"""Mutations of protobuf messages at any depth, by field numbers and wire types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.fuzz.blocks import BLOCKS, Mutation

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_NUMBERS = (0, 1, 2, 127, 128, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63), (1 << 64) - 1)
_DEPTHS = (30, 98, 300, 3_000)
_GO_DEEPER = 0.75
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    number: int
    wire: int
    payload: bytes

    def written(self) -> bytes:
        head = _varint(self.number << 3 | self.wire)
        return (
            head + (_varint(len(self.payload)) if self.wire == _DELIMITED else b"") + self.payload
        )


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _parsed(data: bytes) -> list[_Field] | None:
    """Return the fields of a message; `None` if the bytes are not a message."""
    fields, at = [], 0
    try:
        while at < len(data):
            key, at = _read_varint(data, at)
            start = at
            match key & 7:
                case 0:
                    _, at = _read_varint(data, at)
                case 1:
                    at += 8
                case 5:
                    at += 4
                case 2:
                    size, start = _read_varint(data, at)
                    at = start + size
                case _:
                    return None
            if at > len(data) or not key >> 3:
                return None
            fields.append(_Field(number=key >> 3, wire=key & 7, payload=data[start:at]))
    except IndexError:
        return None
    return fields


def mutate(data: bytes, random: Random) -> bytes:
    """Remove, double, move or nest a field, or change its number, type, length or value."""
    fields = _parsed(data)
    if not fields:
        return random.choice(BLOCKS)(data, random)
    at = random.randrange(len(fields))
    field = fields[at]
    if field.wire == _DELIMITED and _parsed(field.payload) and random.random() < _GO_DEEPER:
        fields[at] = replace(field, payload=mutate(field.payload, random))
    elif random.random() < 0.3:
        _rearrange(fields, at, random)
    else:
        return _spoilt(fields, at, random)
    return b"".join(one.written() for one in fields)


def _rearrange(fields: list[_Field], at: int, random: Random) -> None:
    match random.randrange(4):
        case 0:
            del fields[at]
        case 1:
            fields[at:at] = [fields[at]] * random.choice((1, 2, 500))
        case 2:
            fields.insert(random.randrange(len(fields)), fields.pop(at))
        case _:
            fields.reverse()


def _spoilt(fields: list[_Field], at: int, random: Random) -> bytes:
    before = b"".join(one.written() for one in fields[:at])
    after = b"".join(one.written() for one in fields[at + 1 :])
    return before + _spoilt_field(fields[at], random) + after


def _spoilt_field(field: _Field, random: Random) -> bytes:
    match random.randrange(7):
        case 0:
            number = random.choice((0, 1, 2, 3, 5, 15, 16, 100, 502, 536870911, 1 << 40))
            wire = random.choice((field.wire, field.wire, *range(8)))
            return replace(field, number=number, wire=wire).written()
        case 1:
            return replace(field, wire=random.randrange(8)).written()
        case 2:
            size = random.choice(
                (*_NUMBERS, len(field.payload) + 1, max(0, len(field.payload) - 1))
            )
            return _long(field, size)
        case 3:
            return _nested(field, random.choice(_DEPTHS)).written()
        case 4 | 5:
            numbers = [*map(_varint, _NUMBERS), *(b"\xff" * size for size in (9, 10, 11, 100))]
            return replace(field, wire=_VARINT, payload=random.choice(numbers)).written()
        case _:
            odd = (b"", b"\xff\xfe", b"a" * 300, "ä\u202e".encode(), b"\0", b"\x1b[31m", b"/../x")
            text = (*odd, random.choice(BLOCKS)(field.payload, random))
            return replace(field, wire=_DELIMITED, payload=random.choice(text)).written()


def _long(field: _Field, size: int) -> bytes:
    """Return the bytes of a field that states a length of `size`, whatever its real one."""
    return _varint(field.number << 3 | _DELIMITED) + _varint(size) + field.payload


def _nested(field: _Field, depth: int) -> _Field:
    """Return the field nested in itself, `depth` times or until it exceeds the largest size."""
    for _ in range(depth):
        field = replace(field, wire=_DELIMITED, payload=field.written())
        if len(field.payload) > _LARGEST:
            break
    return field


_PROGRAM = (502, 2, 2, 3, 2)
"""The fields that lead from a model to its first block: program, function, its block."""
_OPERATION, _BLOCKS = 3, 4


def nest_operation(data: bytes, random: Random, way: tuple[int, ...] = _PROGRAM) -> bytes:
    """Nest an operation of a model's first block in others' blocks, 15 to 1,000 deep."""
    fields = _parsed(data) or []
    wanted = [at for at, field in enumerate(fields) if field.number == (*way, _OPERATION)[0]]
    if not wanted:
        return random.choice(BLOCKS)(data, random)
    at = random.choice(wanted)
    if way:
        payload = nest_operation(fields[at].payload, random, way[1:])
    else:
        payload = fields[at].payload
        for _ in range(random.choice((15, 40, 47, 48, 49, 50, 98, 1_000))):
            block = replace(fields[at], number=_OPERATION, payload=payload)
            inner = replace(fields[at], number=_BLOCKS, payload=block.written())
            payload = fields[at].payload + inner.written()
            if len(payload) > _LARGEST:
                break
    fields[at] = replace(fields[at], payload=payload)
    return b"".join(one.written() for one in fields)


MESSAGES: tuple[Mutation, ...] = (mutate, mutate, mutate, mutate)

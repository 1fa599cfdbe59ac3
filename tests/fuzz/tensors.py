"""Mutations of safetensors files: of the header as JSON, its length, and single fields."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests.fuzz import objects
from tests.fuzz.blocks import Mutation

_HUGE = 1 << 40
_SHAPES: tuple[Any, ...] = (
    *([_HUGE, _HUGE], [_HUGE], [0, _HUGE], [-1], [-1, -1], [0], [], [1.5], [True], [None], ["4"]),
    *([1] * 100, [2] * 70, [1 << 63], [1 << 64], [[4, 4]], "4", 4, None, {}, [0] * 9000),
)
_DTYPES: tuple[Any, ...] = (
    *("F8_E4M3", "F8_E5M2", "BF16", "F64", "I64", "U8", "BOOL", "F4", "F4_E2M1", "C64", "E8M0"),
    *("f16", "", "F" * 300, "F16\0", "\ud800", None, 16, ["F16"], {}),
)
_NAMES = (
    *("", "a" * 300, "\ud800", "a\udfff", "\0", "../../x", "/etc/passwd", "\x1b[31m", "x" * 70_000),
    *("unet", "model.diffusion_model.", "__metadata__", "_orig_mod.x", ".", "a..b", "0", "ä\u202e"),
)
_LENGTHS = (0, 1, 2, 7, 8, 1 << 20, 100_000_000, 100_000_001, 1 << 31, 1 << 32, 1 << 62, 1 << 63)


def _parts(data: bytes) -> tuple[bytes, bytes]:
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def _joined(header: bytes, rest: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + rest


def mutate_header(data: bytes, random: Random) -> bytes:
    """Mutate the JSON of the header, and correct the header's length."""
    header, rest = _parts(data)
    return _joined(objects.mutate(header, random), rest)


def mutate_length(data: bytes, random: Random) -> bytes:
    """Change the stated length of the header."""
    right = int.from_bytes(data[:8], "little")
    wrong = random.choice((*_LENGTHS, right + 1, right - 1, len(data), len(data) - 8))
    return (wrong % (1 << 64)).to_bytes(8, "little") + data[8:]


def mutate_field(data: bytes, random: Random) -> bytes:
    """Change a tensor's dtype, shape, offsets or name, or the type of the metadata."""
    header, rest = _parts(data)
    try:
        fields = json.loads(header)
        names = [name for name in fields if name != "__metadata__"]
        name = random.choice(names)
        entry = fields[name]
        start, end = entry["data_offsets"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return mutate_length(data, random)
    match random.randrange(7):
        case 0:
            entry["shape"] = random.choice(_SHAPES)
        case 1:
            entry["dtype"] = random.choice(_DTYPES)
        case 2:
            entry["data_offsets"] = _offsets(start, end, len(rest), random)
        case 3:
            fields[random.choice(_NAMES)] = fields.pop(name)
        case 4:
            fields[random.choice(_NAMES)] = entry
        case 5:
            entry["data_offsets"] = fields[random.choice(names)]["data_offsets"]
        case _:
            odd: tuple[Any, ...] = ([], "x", {"format": 3}, {"a": None}, {"b": "x" * 10**6}, 1)
            fields["__metadata__"] = random.choice(odd)
    return _joined(json.dumps(fields).encode(), rest)


def _offsets(start: int, end: int, size: int, random: Random) -> Any:
    return random.choice(
        (
            [end, start],
            [start, end + 1],
            [start + 1, end],
            [start - size, end],
            [0, size],
            [size, size + end - start],
            [1 << 63, (1 << 63) + end - start],
            [float(start), float(end)],
            [start],
            [],
            None,
            [str(start), str(end)],
            [start, end, end],
            [True, False],
        )
    )


def pad(data: bytes, random: Random) -> bytes:
    """Add blanks around the header, or bytes at the end that belong to no tensor."""
    header, rest = _parts(data)
    match random.randrange(3):
        case 0:
            return _joined(header + b" " * random.choice((1, 7, 100_000)), rest)
        case 1:
            return _joined(b" " + header, rest)
        case _:
            return _joined(header, rest + bytes(random.choice((1, 8, 4096))))


TENSORS: tuple[Mutation, ...] = (
    mutate_header,
    mutate_header,
    mutate_length,
    mutate_field,
    mutate_field,
    mutate_field,
    pad,
)

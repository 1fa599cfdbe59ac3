"""Translates constants to words of a compiled program's text (`model.mil`), and back."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sdcoreml.convert.compile.names import DTYPES
from sdcoreml.convert.spec.model import DataType, Elements

PLAIN = re.compile(r"[ !#-\[\]-~]*")
"""Matches strings whose spelling is known: printable ASCII without quotes or backslashes."""

BYTE_FORMATS: Mapping[DataType, str] = {
    DataType.FLOAT16: "e",
    DataType.INT8: "b",
    DataType.UINT8: "B",
    DataType.UINT32: "I",
}
"""The `struct` format of types that the specification stores as raw bytes."""

BOUNDS: Mapping[DataType, tuple[int, int]] = {
    DataType.INT16: (-(1 << 15), 1 << 15),
    DataType.INT32: (-(1 << 31), 1 << 31),
    DataType.INT64: (-(1 << 63), 1 << 63),
    DataType.UINT16: (0, 1 << 16),
    DataType.UINT64: (0, 1 << 64),
}

_FLOAT = re.compile(r"-?(0x[0-9a-f]+(\.[0-9a-f]+)?p[+-][0-9]{1,4}|inf|nan)")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_BOOLS = {"true": True, "false": False}


class LiteralError(ValueError):
    """Raised for words that are no constant of the type, or a constant that cannot be written."""


def hexadecimal(value: float) -> str:
    """Write a double as C99's `%a` with the shortest mantissa: `0x1.8p+1`, `-inf`."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "-0x0p+0" if math.copysign(1, value) < 0 else "0x0p+0"
    mantissa, exponent = math.frexp(value)
    digits = (abs(mantissa) * 2).hex()[4:17].rstrip("0")
    return f"{'-' if value < 0 else ''}0x1{'.' if digits else ''}{digits}p{exponent - 1:+d}"


def spell(elements: Elements, dtype: DataType) -> list[str]:
    """Return one word of the program text for each element.

    Raises:
        LiteralError: the spelling of the type is unknown, or its elements are stored differently.
    """
    values: bytes | Sequence[object] = elements.values
    if dtype in BYTE_FORMATS:
        values = _unpack(values, dtype)
    elif dtype not in _READ or isinstance(values, bytes):
        raise LiteralError(f"immediate elements of {dtype.name} have no known spelling")
    return [_word(value) for value in values]


def elements(spelt: Sequence[str], dtype: DataType) -> Elements:
    """Parse words of the program text, one for each element.

    Raises:
        LiteralError: a word is not a constant of the type, or is out of its range.
    """
    if dtype in BOUNDS:
        lower, upper = BOUNDS[dtype]
        values = [_integer(word) for word in spelt]
        if any(not lower <= value < upper for value in values):
            raise LiteralError(f"a constant is out of the range of {DTYPES[dtype]}")
        return Elements(values=tuple(values))
    if dtype not in _READ:
        raise LiteralError(f"immediate elements of {dtype.name} have no known spelling")
    read = [_READ[dtype](word) for word in spelt]
    if dtype not in BYTE_FORMATS:
        return Elements(values=tuple(read))
    try:
        return Elements(values=struct.pack(f"<{len(read)}{BYTE_FORMATS[dtype]}", *read))
    except (struct.error, OverflowError) as error:
        raise LiteralError(f"a constant is out of the range of {DTYPES[dtype]}") from error


def bracket(spelt: Sequence[str], shape: Sequence[int | None]) -> str:
    """Put the words in nested brackets, row-major; rank 0 gives a bare word.

    Raises:
        LiteralError: there are more or fewer words than the shape has elements.
    """
    if len(shape) == 1 and shape[0] in (None, len(spelt)):
        return f"[{', '.join(spelt)}]"
    known = [size for size in shape if size is not None]
    if len(known) != len(shape) or math.prod(known) != len(spelt):
        raise LiteralError(f"{len(spelt)} elements in a constant of shape {list(shape)}")
    return _nest(spelt, known) if known else spelt[0]


def _nest(spelt: Sequence[str], shape: Sequence[int]) -> str:
    if len(shape) == 1:
        return f"[{', '.join(spelt)}]"
    step = math.prod(shape[1:])
    rows = (_nest(spelt[row * step : (row + 1) * step], shape[1:]) for row in range(shape[0]))
    return f"[{', '.join(rows)}]"


def _unpack(raw: object, dtype: DataType) -> Sequence[object]:
    code = BYTE_FORMATS[dtype]
    if not isinstance(raw, bytes) or len(raw) % struct.calcsize(code):
        raise LiteralError(f"the raw bytes are not a whole number of {DTYPES[dtype]} elements")
    return struct.unpack(f"<{len(raw) // struct.calcsize(code)}{code}", raw)


def _integer(word: str) -> int:
    if not _INTEGER.fullmatch(word):
        raise LiteralError(f"{word[:40]!r} is not an integer")
    return int(word)


def _float(word: str) -> float:
    if not _FLOAT.fullmatch(word):
        raise LiteralError(f"{word[:40]!r} is not a hexadecimal floating-point number")
    try:
        return float.fromhex(word)
    except OverflowError as error:
        raise LiteralError(f"{word[:40]} is out of range") from error


def _bool(word: str) -> bool:
    if word not in _BOOLS:
        raise LiteralError(f"{word[:40]!r} is neither true nor false")
    return _BOOLS[word]


def _string(word: str) -> str:
    if len(word) < 2 or word[0] != '"' or word[-1] != '"':  # noqa: PLR2004  two quotes
        raise LiteralError(f"{word[:40]!r} is not a string")
    return word[1:-1]


def quote(text: str) -> str:
    """Put a string in quotes.

    Raises:
        LiteralError: a character is not in `PLAIN`. The spelling of such characters is unknown,
            because no reference model has them.
    """
    if not PLAIN.fullmatch(text):
        raise LiteralError(f"the string {text[:40]!r} has characters other than plain ASCII")
    return f'"{text}"'


def _word(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return hexadecimal(value)
        case str():
            return quote(value)
    return str(value)


_READ: Mapping[DataType, Callable[[str], Any]] = {
    DataType.BOOL: _bool,
    DataType.STRING: _string,
    DataType.FLOAT16: _float,
    DataType.FLOAT32: _float,
    DataType.FLOAT64: _float,
    DataType.INT8: _integer,
    DataType.UINT8: _integer,
    DataType.UINT32: _integer,
    **dict.fromkeys(BOUNDS, _integer),
}

"""Tells values of dataclasses as text, to keep all of them in `tests/golden/`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath

_WIDE = 120


def lines_of(value: object, indent: str = "  ") -> Iterator[str]:
    """Yield a value as lines; a field that is as in a new value of its kind is left out."""
    match value:
        case _ if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                found = getattr(value, field.name)
                if found != field.default:
                    yield from _named(field.name, found, indent)
        case Mapping():
            for name, one in value.items():
                yield from _named(str(name), one, indent)
        case _:
            yield f"{indent}{_short(value)}"


def _named(name: str, value: object, indent: str) -> Iterator[str]:
    if _has_parts(value):
        yield f"{indent}{name}:"
        yield from lines_of(value, indent + "  ")
    elif isinstance(value, tuple | list) and any(map(_has_parts, value)):
        for number, one in enumerate(value):
            below = [line.strip() for line in lines_of(one)]
            if len(line := f"{indent}{name}[{number}]: {', '.join(below)}") < _WIDE:
                yield line
            else:
                yield f"{indent}{name}[{number}]:"
                yield from lines_of(one, indent + "  ")
    else:
        yield f"{indent}{name} = {_short(value)}"


def _has_parts(value: object) -> bool:
    return dataclasses.is_dataclass(value) or bool(isinstance(value, Mapping) and value)


def _short(value: object) -> str:
    match value:
        case Enum():
            return f"{type(value).__name__}.{value.name}"
        case PurePath():
            return repr(str(value))
        case tuple() | list():
            return f"({', '.join(map(_short, value))})"
        case set() | frozenset():
            return f"{{{', '.join(sorted(map(_short, value)))}}}"
        case _:
            return repr(value)

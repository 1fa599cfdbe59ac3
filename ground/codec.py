"""Converts frozen dataclasses to JSON and back, by their annotations.

Supported types: dataclasses, `Mapping[str, X]`, `tuple[X, ...]`, enums (by value), paths, times
(ISO 8601 with an offset from UTC), str, int, float, bool, None, `object` (any JSON value,
unchanged), and unions of one type with None and with dataclasses of a single field, which are told
apart by that field's name. Another name for a field in JSON is set in its metadata:
`field(metadata={JSON: "name"})`.
"""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

JSON = "json"
"""The key in a field's metadata for its name in JSON, if that differs."""


_LARGEST = (1 << 63) - 1
_LONGEST = 60


class DecodeError(ValueError):
    """The data does not fit the type; the message begins with the data's path."""


def shown(value: object) -> str:
    """Format a value for a message, cutting it if it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def to_plain(value: object) -> Any:  # noqa: ANN401  a JSON value
    """Convert dataclasses to objects, tuples to arrays, and enums to their values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_name(one): to_plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, Path):
        return os.fspath(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def from_plain(kind: type[T], data: object, place: str = "") -> T:
    """Rebuild the value of type `kind` from `data`, the result of `to_plain`.

    `place` names it in errors; that of a whole file is "".

    Raises:
        DecodeError: a field is missing, unknown or of the wrong type.
    """
    return cast("T", _decode(kind, data, place))


def read_field(
    content: Mapping[str, object], name: str, kind: type[T], default: T | None = None
) -> T:
    """Read the field `name` of a JSON object as `kind`; return `default` if the field is absent.

    Raises:
        DecodeError: the field is of the wrong type, or absent and `default` is None.
    """
    if name in content:
        return from_plain(kind, content[name], name)
    if default is None:
        raise DecodeError(f"field {name!r} is missing")
    return default


def _decode(kind: Any, data: object, place: str) -> object:  # noqa: ANN401  an annotation
    origin, parts = _parts(kind)
    if origin in (Union, types.UnionType):
        return _one_of(parts, data, place)
    if origin is tuple:
        if not isinstance(data, (list, tuple)):
            raise _fault(place, "an array is expected")
        item = parts[0]
        return tuple(_decode(item, one, f"{place}[{n}]") for n, one in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        item = parts[1]
        return {
            key: _decode(item, one, _below(place, key))
            for key, one in as_object(data, place).items()
        }
    if is_dataclass(kind):
        return _dataclass(cast("type", kind), as_object(data, place), place)
    return data if kind is object else _simple(kind, data, place)


def _simple(kind: type, data: object, place: str) -> object:
    if type(data) is int and kind is int and abs(data) > _LARGEST:
        raise _fault(place, f"an integer of at most 63 bits is expected, not {shown(data)}")
    if type(data) is kind or (kind is float and type(data) is int):
        return data
    if issubclass(kind, Enum):
        return _member(kind, data, place)
    if kind is Path and isinstance(data, str):
        return Path(data)
    if kind is datetime and isinstance(data, str):
        return _moment(data, place)
    raise _fault(place, f"{kind.__name__} is expected, not {type(data).__name__}")


def _one_of(kinds: tuple[object, ...], data: object, place: str) -> object:
    """Decode a union: None, a dataclass recognised by its single field, or else the first type."""
    if data is None and types.NoneType in kinds:
        return None
    first, *others = (kind for kind in kinds if kind is not types.NoneType)
    if isinstance(data, dict) and len(data) == 1:
        for kind in others:
            if is_dataclass(kind) and [_name(one) for one in fields(kind)] == list(data):
                return _decode(kind, data, place)
    return _decode(first, data, place)


def _member(kind: type[Enum], data: object, place: str) -> Enum:
    try:
        return kind(data)
    except ValueError:
        wanted = ", ".join(str(member.value) for member in kind)
        raise _fault(place, f"one of {wanted} is expected, not {shown(data)}") from None


def _moment(data: str, place: str) -> datetime:
    with suppress(ValueError):
        moment = datetime.fromisoformat(data)
        if moment.tzinfo:
            return moment
    raise _fault(place, f"a time with its offset from UTC is expected, not {shown(data)}")


def as_object(data: object, place: str = "") -> Mapping[str, object]:
    """Return `data` if it is a JSON object; raise `DecodeError` otherwise."""
    if not isinstance(data, Mapping):
        raise _fault(place, "an object is expected")
    return data


def _dataclass(kind: type, data: Mapping[str, object], place: str) -> object:
    known = _fields(kind)
    unknown = sorted(data.keys() - known.keys())
    if unknown:
        raise _fault(place, f"unknown field {shown(unknown[0])}")
    values = {
        known[name].name: _decode(known[name].kind, item, _below(place, name))
        for name, item in data.items()
    }
    missing = [name for name, one in known.items() if one.is_required and name not in data]
    if missing:
        raise _fault(place, f"field {missing[0]!r} is missing")
    return kind(**values)


def _below(place: str, name: str) -> str:
    """Join the place of an object and a field's name; the place of the whole file is ""."""
    name = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
    return f"{place}.{name}" if place else name


def _fault(place: str, what: str) -> DecodeError:
    return DecodeError(f"{place}: {what}" if place else what)


def _name(one: Field[Any]) -> str:
    name: str = one.metadata.get(JSON, one.name)
    return name


class _Known(NamedTuple):
    """A field of a dataclass: its name in Python, its type, and whether it has no default."""

    name: str
    kind: object
    is_required: bool


# What types are made of does not change, and files have thousands of values of a few types.
@cache
def _fields(kind: type) -> Mapping[str, _Known]:
    """Return the fields of a dataclass by their names in JSON."""
    hints = get_type_hints(kind)
    return {
        _name(one): _Known(
            name=one.name,
            kind=hints[one.name],
            is_required=one.default is MISSING and one.default_factory is MISSING,
        )
        for one in fields(kind)
    }


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401  an annotation
    """Return what `get_origin` and `get_args` say of an annotation."""
    return get_origin(kind), get_args(kind)

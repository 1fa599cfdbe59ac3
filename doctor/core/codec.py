"""Facts to JSON and back: what is saved on one machine is replayed on another.

The dataclasses' own annotations are the schema. `Unknown` and `Absent` are told from other values
by their one field, so that the three states of a fact survive the journey.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from sdcoreml.doctor.core.facts import Absent, Facts, Unknown

T = TypeVar("T")

SCHEMA = 1
"""Rises when a fact changes its meaning; facts of another schema are refused, not guessed at."""


class DecodeError(ValueError):
    """The data is not what the type says; the message begins with the place."""


def to_plain(value: object) -> Any:  # noqa: ANN401  a JSON value
    """Dataclasses as objects, tuples as arrays, everything else as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: type[T], data: object, place: str = "facts") -> T:
    """The value of type `kind` that `to_plain` made `data` of.

    Raises:
        DecodeError: a field is missing, unknown or of another type.
    """
    return cast("T", _decode(kind, data, place))


def _decode(kind: Any, data: object, place: str) -> object:  # noqa: ANN401  an annotation
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), data, place)
    if origin is tuple:
        if not isinstance(data, list):
            raise DecodeError(f"{place}: an array is wanted")
        (item, *_) = get_args(kind)
        return tuple(_decode(item, one, f"{place}[{n}]") for n, one in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        item = get_args(kind)[1]
        return {
            key: _decode(item, one, f"{place}.{key}") for key, one in _object(data, place).items()
        }
    if is_dataclass(kind):
        return _dataclass(cast("type", kind), _object(data, place), place)
    if type(data) is not kind and not (kind is float and type(data) is int):
        raise DecodeError(f"{place}: {kind.__name__} is wanted, not {type(data).__name__}")
    return data


def _one_of(kinds: tuple[Any, ...], data: object, place: str) -> object:
    """The marker types by their only field, None by itself; otherwise the one type that is left."""
    if data is None and types.NoneType in kinds:
        return None
    if isinstance(data, dict) and len(data) == 1:
        for marker in (Absent, Unknown):
            if marker in kinds and {one.name for one in fields(marker)} == set(data):
                return _decode(marker, data, place)
    (other,) = (kind for kind in kinds if kind not in (Absent, Unknown, types.NoneType))
    return _decode(other, data, place)


def _object(data: object, place: str) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise DecodeError(f"{place}: an object is wanted")
    return data


def _dataclass(kind: type, data: Mapping[str, object], place: str) -> object:
    hints = _hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise DecodeError(f"{place}: unknown field {unknown[0]!r}")
    values = {name: _decode(hints[name], item, f"{place}.{name}") for name, item in data.items()}
    missing = [one.name for one in fields(kind) if one.name not in values and _is_required(one)]
    if missing:
        raise DecodeError(f"{place}: field {missing[0]!r} is missing")
    return kind(**values)


def _is_required(one: Any) -> bool:  # noqa: ANN401  a dataclass field
    return one.default is MISSING and one.default_factory is MISSING


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def save(facts: Facts) -> dict[str, Any]:
    """The facts as one JSON object with its schema."""
    return {"schema": SCHEMA, "facts": to_plain(facts)}


def load(data: object) -> Facts:
    """The facts that `save` made `data` of. Raises `DecodeError` for anything else."""
    content = _object(data, "file")
    if content.get("schema") != SCHEMA:
        raise DecodeError(f"file: schema {content.get('schema')!r}; this version reads {SCHEMA}")
    return from_plain(Facts, content.get("facts"))

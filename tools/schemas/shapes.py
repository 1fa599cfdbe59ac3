"""JSON Schemas of types, as `ground.codec.to_plain` writes their values."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

Schema: TypeAlias = dict[str, object]

_SIMPLE: Mapping[object, Schema] = {
    str: {"type": "string"},
    Path: {"type": "string"},
    datetime: {"type": "string", "format": "date-time"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    types.NoneType: {"type": "null"},
    object: {},
}


def closed(properties: Mapping[str, object], optional: Collection[str] = ()) -> Schema:
    """Return the schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "properties": dict(properties),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """The types that a document names, each with its schema.

    `words` describes fields, by "Class.field"; fields without an entry are described by the class's
    own docstring, under "Attributes:". `left_out` has the fields that are left out where they say
    nothing. `defs` is filled with every dataclass that occurs.
    """

    words: Mapping[str, str]
    left_out: Mapping[type, Collection[str]]
    defs: dict[str, object] = field(default_factory=dict)

    def of(self, kind: Any) -> Schema:  # noqa: ANN401  an annotation
        """Return the schema of a type; a dataclass is only named, and described in `defs`."""
        origin, parts = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return self._any_of(parts)
        if origin is Literal:
            return {"enum": list(parts)}
        if origin is tuple:
            return {"type": "array", "items": self.of(parts[0])}
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(parts[1])}
        if is_dataclass(kind) and isinstance(kind, type):
            if kind.__name__ not in self.defs:
                self.defs[kind.__name__] = {}  # it may name itself
                self.defs[kind.__name__] = self.object_of(kind)
            return {"$ref": f"#/$defs/{kind.__name__}"}
        return _simple(kind)

    def object_of(self, kind: type, **others: Schema) -> Schema:
        """Return the schema of a dataclass's object; `others` replace or follow its fields."""
        optional = self.left_out.get(kind, ())
        properties = {**self.properties_of(kind), **others}
        return closed(properties, optional)

    def properties_of(self, kind: type) -> Schema:
        """Return the schema of each field of a dataclass."""
        hints, documented = get_type_hints(kind), dict(_attributes(kind))
        found: Schema = {}
        for one in fields(kind):
            name, is_optional = one.name, one.name in self.left_out.get(kind, ())
            words = self.words.get(f"{kind.__name__}.{name}", documented.get(name))
            said = {"description": words} if words else {}
            hint = _without_null(hints[name]) if is_optional else hints[name]
            found[name] = {**self.of(hint), **said}
        return found

    def _any_of(self, kinds: Sequence[object]) -> Schema:
        found = [self.of(kind) for kind in kinds]
        if all(one.keys() == {"type"} for one in found):
            return {"type": [one["type"] for one in found]}
        return {"anyOf": found}


def _simple(kind: Any) -> Schema:  # noqa: ANN401  an annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return dict(_SIMPLE[kind])


def _without_null(kind: Any) -> Any:  # noqa: ANN401  an annotation
    parts = get_args(kind)
    rest = [part for part in parts if part is not types.NoneType]
    is_union = get_origin(kind) in (Union, types.UnionType)
    return rest[0] if is_union and len(rest) == 1 else kind


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the fields that a class's docstring describes under "Attributes:"."""
    text = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    for name, words in re.findall(r"^    (\w+): ((?:.|\n {8,})+)", text, re.MULTILINE):
        yield name, " ".join(words.split()).rstrip(".")

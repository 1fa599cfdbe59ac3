"""Reads JSON that others wrote: bounded in size, depth and number, with one meaning only.

Python's reader takes the last of two equal keys, accepts NaN, numbers of any length and halves of
characters, and recurses as deep as the text goes. Here each of these is bad input. What passes
consists of dicts, lists, text, finite numbers, truth and None; `ground.codec` gives it types.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import NoReturn, TypeVar

from sdcoreml.ground.codec import DecodeError, from_plain, shown
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_bytes, refuse_pointer

T = TypeVar("T")

DEEPEST = 100
"""The most objects and arrays within each other."""

MOST_VALUES = 1_000_000
"""The most values of a document: a million empty objects take some 200 MB."""

_LONGEST_NUMBER = 64
"""Digits. Tokenizers' configs say 1000000000000000019884624838656 for "no limit"."""

_HOLDS_NAMES = frozenset({Document.FACTS, Document.MANIFEST, Document.RECORD})
"""Documents with names of files: those that are not UTF-8 stand there as surrogates."""


def read_json(path: Path, document: Document, *, remedy: str = "") -> object:
    """The value in a JSON file.

    Raises:
        BadInputError: it cannot be read, or is not such JSON; `remedy` is the caller's.
    """
    data = read_bytes(path, document, remedy=remedy)
    refuse_pointer(data, path)
    return parse_json(data, path, remedy=remedy, holds_names=document in _HOLDS_NAMES)


def read_object(path: Path, document: Document, *, remedy: str = "") -> dict[str, object]:
    """The object in a JSON file. Raises `BadInputError` as `read_json`, or if it is no object."""
    content = read_json(path, document, remedy=remedy)
    if not isinstance(content, dict):
        raise BadInputError("JSON, but not an object", where=path, remedy=remedy)
    return content


def read_record(path: Path, document: Document, kind: type[T], *, remedy: str = "") -> T:
    """The value of type `kind` in a JSON file, as `ground.codec` writes it.

    Raises:
        BadInputError: as `read_json`; or a value is of another type, and the message names it.
    """
    content = read_json(path, document, remedy=remedy)
    try:
        return from_plain(kind, content, "")
    except DecodeError as error:
        raise BadInputError(str(error), where=path, remedy=remedy) from None


def parse_json(
    data: bytes | str,
    where: str | os.PathLike[str],
    *,
    remedy: str = "",
    holds_names: bool = False,
) -> object:
    """The value that a JSON text denotes, in UTF-8 (or UTF-16, UTF-32) if it is bytes.

    Args:
        data: the text.
        where: the file or the name that an error is about.
        remedy: what an error says to do next.
        holds_names: whether file names in it may hold surrogates for bytes that are not UTF-8.

    Raises:
        BadInputError: it is not such JSON.
    """
    try:
        return _parse(data, holds_names=holds_names)
    except RecursionError:
        what = _DEEP
    except UnicodeDecodeError as error:
        encoding = error.encoding.upper()
        what = f"not {encoding} ({error.reason} at byte {error.start:,})"
    except json.JSONDecodeError as error:
        what = f"not valid JSON ({error})" if data.strip() else "an empty file, not JSON"
    except _UnfitError as error:
        what = str(error)
    raise BadInputError(what, where=where, remedy=remedy)


class _UnfitError(Exception):
    """It is JSON for Python, but not here."""


_DEEP = f"JSON nested more than {DEEPEST} deep"


def _parse(data: bytes | str, *, holds_names: bool) -> object:
    text = data if isinstance(data, str) else data.decode(json.detect_encoding(data))
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    opened = text.count("[") + text.count("{")
    if opened + text.count(",") > MOST_VALUES:
        raise _UnfitError(f"JSON of more than {MOST_VALUES:,} values")
    value: object = json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=_refuse_constant,
        parse_float=_parse_float,
        parse_int=_parse_int,
    )
    if opened > DEEPEST and is_deep(value):
        raise _UnfitError(_DEEP)
    if "\\u" in text and ("\\ud" in text or "\\uD" in text):
        _require_whole_characters(value, holds_names=holds_names)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise _UnfitError(f"duplicate key {shown(twice)}")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _UnfitError(f"{name} is not a number of JSON")


def _parse_int(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise _UnfitError(f"a number of {len(text):,} digits")
    return int(text)


def _parse_float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _UnfitError(f"{shown(text)} is too large a number")
    return number


def is_deep(value: object) -> bool:
    """Whether dicts and lists are nested more than `DEEPEST` deep."""
    level = [value]
    for _ in range(DEEPEST):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    """The objects and arrays directly in a value."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, (dict, list))]


def _require_whole_characters(value: object, *, holds_names: bool) -> None:
    """Refuse halves of characters, which no encoding has."""
    errors = "surrogateescape" if holds_names else "strict"
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8", errors)
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise _UnfitError(f"half a character ({half}) in a text") from None

"""Reads JSON from untrusted files, with limits on size and depth, rejecting ambiguous content.

Python's `json` takes the last of two equal keys, accepts NaN, numbers of any length and lone
surrogates, and recurses without limit. Here each of these is bad input. The result consists of
dicts, lists, str, finite numbers, bool and None; `ground.codec` converts it to dataclasses.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import NoReturn, TypeVar

from sdcoreml.ground.codec import DecodeError, from_plain, shown
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_bytes, refuse_pointer

T = TypeVar("T")

DEEPEST = 100
"""The deepest nesting of objects and arrays that is accepted."""

MOST_VALUES = 1_000_000
"""The most values that a document may have: a million empty objects take some 200 MB."""

_LONGEST_NUMBER = 64
"""The most digits of a number: tokenizers' configs do contain 1000000000000000019884624838656."""

_MANY_DIGITS = re.compile(rf"[0-9]{{{_LONGEST_NUMBER}}}")
"""Found in every text with a longer number."""

_HOLDS_NAMES = frozenset({Document.FACTS, Document.MANIFEST, Document.RECORD})
"""Documents with file names, whose bytes are written as surrogates if they are not valid UTF-8."""


def read_json(path: Path, document: Document, *, remedy: str = "") -> object:
    """Read the value in a JSON file.

    Raises:
        BadInputError: the file cannot be read, or breaks a rule of this module; the error has
            `remedy`.
    """
    data = read_bytes(path, document, remedy=remedy)
    refuse_pointer(data, path)
    return parse_json(data, path, remedy=remedy, holds_names=document in _HOLDS_NAMES)


def read_object(path: Path, document: Document, *, remedy: str = "") -> dict[str, object]:
    """Read a JSON file like `read_json`; raise `BadInputError` unless it contains an object."""
    content = read_json(path, document, remedy=remedy)
    if not isinstance(content, dict):
        raise BadInputError("JSON, but not an object", where=path, remedy=remedy)
    return content


def read_record(path: Path, document: Document, kind: type[T], *, remedy: str = "") -> T:
    """Read a value of type `kind` from a JSON file, as written by `ground.codec`.

    Raises:
        BadInputError: as `read_json`; or a value, named in the message, has the wrong type.
    """
    content = read_json(path, document, remedy=remedy)
    try:
        return from_plain(kind, content)
    except DecodeError as error:
        raise BadInputError(str(error), where=path, remedy=remedy) from None


def parse_json(
    data: bytes | str,
    where: str | os.PathLike[str] = "",
    *,
    remedy: str = "",
    holds_names: bool = False,
) -> object:
    """Parse JSON; bytes are in UTF-8, UTF-16 or UTF-32.

    Args:
        data: the JSON text.
        where: the file or name for errors.
        remedy: the remedy for errors.
        holds_names: accept surrogates, which stand for bytes of file names that are not UTF-8.

    Raises:
        BadInputError: the text is not valid JSON, or breaks a rule of this module.
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
    """The text is JSON that Python accepts, but it breaks a rule of this module."""


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
        # The parser's own `int` is many times as fast, and a vocabulary has 50,000 numbers.
        parse_int=_parse_int if _MANY_DIGITS.search(text) else int,
    )
    if opened > DEEPEST and is_deep(value):
        raise _UnfitError(_DEEP)
    if "\\u" in text and ("\\ud" in text or "\\uD" in text):
        _require_whole_characters(value, holds_names=holds_names)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if found[key] != value:  # equal values have one meaning
                raise _UnfitError(f"duplicate key {shown(key)}")
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
    """Return True if dicts and lists are nested more than `DEEPEST` deep."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEEPEST):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _require_whole_characters(value: object, *, holds_names: bool) -> None:
    """Reject lone surrogates, which cannot be encoded."""
    errors = "surrogateescape" if holds_names else "strict"
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8", errors)
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise _UnfitError(f"half a character ({half}) in a text") from None

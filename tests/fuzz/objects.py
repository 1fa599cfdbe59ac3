"""Mutations of the structure of JSON; the result is text, so it can be invalid JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.fuzz.blocks import Mutation

_HOLE = "\ufdd0hole\ufdd0"
"""A text that no real file contains; it marks where a foreign text is to be inserted."""

_VALUES = (
    *("null", "true", "false", "0", "1", "-1", "-0", "2", "3", "7", "8", "1.5", "0.0", "-0.5"),
    *("1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1e308", "1e-320", "2e9", "65536"),
    *("2147483647", "2147483648", "9223372036854775807", "9223372036854775808"),
    *("18446744073709551616", "1099511627776", "9" * 400, "9" * 5000, "-" + "9" * 5000),
    *('""', '" "', '"0"', '"nan"', '"True"', '"None"', '"\\u0000"', '"\\ud800"', '"a\\udfffb"'),
    *('"\\u001b[31mred"', '"../../../etc/passwd"', '"/dev/zero"', '"/"', '"."', '".."', '"~"'),
    *('"\\r\\n"', '"\\u202egnp"', '"%s%n{0}"', json.dumps("a" * 300), json.dumps("ä" * 70_000)),
    *("{}", "[]", "[null]", "[[]]", "[{}]", '{"a": 1}', '{"": {}}', "[1, 2, 3]", '["a", "b"]'),
    *("[[1, 2], [3]]", "[0, 0, 0, 0]", "[-1]", "[1099511627776, 1099511627776]", "[1.5, 2]"),
    *("[true]", '["a", 1, null]', '[""]', "[" + "1," * 5000 + "1]", '{"a": {"b": {"c": []}}}'),
    *("[" * 60 + "]" * 60, "[" * 500 + "]" * 500, "[" * 100_000 + "]" * 100_000, "[" * 100_000),
    *('{"a":' * 200 + "1" + "}" * 200, '{"a":' * 50_000 + "1" + "}" * 50_000, '{"a":' * 50_000),
    *(
        "'single'",
        "undefined",
        "// comment",
        "/* */ 1",
        "0x10",
        "01",
        "+1",
        ".5",
        "1_000",
        "\ufeff1",
    ),
)
_KEYS = ("", "a" * 300, "\ud800", "\0", "/", "..", "../../x", "__class__", "a.b", "[31m", "ä", "0")


def _mutated(data: bytes, random: Random) -> bytes:
    """Replace a value; remove, double, rename or add a key; or swap two values."""
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return data + random.choice(_VALUES).encode("utf-8", "surrogatepass")
    holder = [root]
    spots = list(_spots(holder))
    parent, key = random.choice(spots)
    raw = random.choice(_VALUES)
    match random.randrange(8):
        case 0 if parent is not holder:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[_HOLE] = parent[key]
            raw = json.dumps(key)
        case 2 if isinstance(parent, dict):
            name = random.choice((*_KEYS, random.choice(list(parent))))
            parent[name] = parent.pop(key)
        case 3 if isinstance(parent[key], dict):
            parent[key][random.choice(_KEYS)] = _HOLE
        case 4:
            other, place = random.choice(spots)
            parent[key], value = other[place], parent[key]
            if not _contains(value, other):
                other[place] = value
        case 5:
            parent[key] = [parent[key]]
        case _:
            parent[key] = _HOLE
    try:
        text = json.dumps(holder[0], ensure_ascii=random.random() < 0.5)
    except (ValueError, RecursionError):  # the exchange made a circle
        return data[: len(data) // 2]
    text = text.replace(json.dumps(_HOLE), raw).replace(f'"{_HOLE}"', raw)
    return text.encode("utf-8", "surrogatepass")


def mutate(data: bytes, random: Random) -> bytes:
    """Make one to three changes to the structure of a JSON file."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = _mutated(data, random)
    return data


def replace_whole(data: bytes, random: Random) -> bytes:  # noqa: ARG001  a `Mutation`
    """Replace the whole value of a JSON file."""
    return random.choice(_VALUES).encode("utf-8", "surrogatepass")


def encode_otherwise(data: bytes, random: Random) -> bytes:
    """Change the text's encoding or line ends, or add a byte order mark."""
    text = data.decode("utf-8", "replace")
    match random.randrange(5):
        case 0:
            return text.encode("utf-16")
        case 1:
            return text.encode("utf-32-be")
        case 2:
            return b"\xef\xbb\xbf" + data
        case 3:
            return text.replace("e", "é").encode("latin-1", "replace")
        case _:
            return data.replace(b"\n", b"\r") + b"\0"


def _spots(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each item of a JSON value, at any depth, as its container and its key or index."""
    waiting = [holder]
    while waiting:
        found = waiting.pop()
        keys = list(found) if isinstance(found, dict) else range(len(found))
        for key in keys:
            yield found, key
            if isinstance(found[key], dict | list):
                waiting.append(found[key])


def _contains(value: Any, other: Any) -> bool:
    """Return True if the container `other` is `value` or a part of it."""
    return value is other or (
        isinstance(value, dict | list) and any(parent is other for parent, _ in _spots([value]))
    )


OBJECTS: tuple[Mutation, ...] = (
    mutate,
    mutate,
    mutate,
    mutate,
    mutate,
    mutate,
    replace_whole,
    encode_otherwise,
)

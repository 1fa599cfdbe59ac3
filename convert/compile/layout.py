"""Formats JSON like Apple's tools."""

from __future__ import annotations

import json


def pretty(value: object, indent: int = 0) -> str:
    """Two spaces per level, `"key" : value`, slashes escaped, an empty line in an empty array."""
    inner, outer = "  " * (indent + 1), "  " * indent
    match value:
        case dict():
            items = [f"{pretty(key)} : {pretty(item, indent + 1)}" for key, item in value.items()]
            first, last = "{", "}"
        case list():
            items = [pretty(item, indent + 1) for item in value]
            first, last = "[", "]"
        case _:
            return json.dumps(value, ensure_ascii=False).replace("/", "\\/")
    body = ",\n".join(f"{inner}{item}" for item in items)
    return f"{first}\n{body}\n{outer}{last}"

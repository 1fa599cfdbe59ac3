"""Formats JSON as Apple's tools do."""

from __future__ import annotations

import json


def pretty(value: object, indent: int = 0) -> str:
    """Format a value with two spaces per level, `"key" : value`, and escaped slashes.

    An empty array or object spans three lines, the middle one empty.
    """
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

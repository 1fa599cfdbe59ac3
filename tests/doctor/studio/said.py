"""Reads texts of the window in answers: tests look at keys and values, the page words them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def texts_in(text: Any) -> Iterator[Any]:
    """Yield the texts of which one consists, in order: strings, and texts of the window."""
    if isinstance(text, dict) and text.get("say") == "together":
        yield from texts_in(text["first"])
        yield from texts_in(text["second"])
    else:
        yield text


def keys_in(text: Any) -> list[str]:
    """Return the key of each of these texts; what is none of the window's stands for itself."""
    return [one["say"] if isinstance(one, dict) else one for one in texts_in(text)]


def find_text(text: Any, key: str) -> dict[str, Any]:
    """Return the values of the one text with this key."""
    (found,) = (one for one in texts_in(text) if isinstance(one, dict) and one["say"] == key)
    return {name: value for name, value in found.items() if name != "say"}


def outline_of(found: Any) -> str:
    """Return values on one line; a text of the window is its key, and its values in brackets."""
    match found:
        case {"say": key, **values}:
            return f"{key}({outline_of(values)})" if values else str(key)
        case dict():
            return " ".join(f"{name}={outline_of(one)}" for name, one in found.items())
        case list() | tuple():
            return f"[{', '.join(map(outline_of, found))}]"
        case _:
            return repr(found)

"""Makes plain, bounded text of what others wrote: file names, configs, metadata.

The page shows texts as text, never as markup. Here they lose what could deceive even so: control
characters, letters that turn the direction of reading, bytes that are no text, and endless length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sdcoreml.ground.advice import spell
from sdcoreml.ground.visible import one_line

MOST_LETTERS = 600
"""The most letters of one text."""

MOST_ITEMS = 200
"""The most items of one list."""

_DEEPEST = 8


def plain(text: str, most: int = MOST_LETTERS) -> str:
    """Return one line of at most `most` letters, with commands spelled as they can be pasted.

    What is too long loses its middle: the start says where, the end what to do.
    """
    said = text[: 4 * MOST_LETTERS] if len(text) > 4 * MOST_LETTERS else text
    shown = one_line(spell(said)).replace("\t", " ")
    line = "".join(one if one.isprintable() else _escape(one) for one in shown)
    if len(line) <= most:
        return line
    half = (most - 3) // 2
    return f"{line[:half]} … {line[-half:]}"


def as_sentence(text: str, most: int = MOST_LETTERS) -> str:
    """Return plain text that begins as a sentence does; what is no plain word is left as it is."""
    line = plain(text, most)
    return f"{line[0].upper()}{line[1:]}" if _WORD.match(line) else line


_WORD = re.compile(r"[a-z]+(?=[\s,;.']|$)")


def _escape(letter: str) -> str:
    """Return a letter that nobody sees, or half of one, by its number."""
    return letter.encode("ascii", "backslashreplace").decode()


def plain_data(value: object, deep: int = 0) -> object:
    """Return JSON values whose texts are plain, and which are not deep or long without end."""
    if deep > _DEEPEST:
        return None
    match value:
        case str():
            return plain(value)
        case Mapping():
            pairs = list(value.items())[:MOST_ITEMS]
            return {plain(str(name)): plain_data(one, deep + 1) for name, one in pairs}
        case Sequence():
            return [plain_data(one, deep + 1) for one in value[:MOST_ITEMS]]
        case _:
            return value


def by_name(data: dict[str, object], place: str, name: str) -> dict[str, object]:
    """Return an object of JSON in whose texts a model's name stands for a temporary path."""
    if place == name:
        return data
    return {_told(key, place, name): _renamed(value, place, name) for key, value in data.items()}


def _renamed(value: object, place: str, name: str) -> object:
    match value:
        case str():
            return _told(value, place, name)
        case dict():
            return by_name(value, place, name)
        case list() | tuple():
            return [_renamed(one, place, name) for one in value]
        case _:
            return value


def _told(text: str, place: str, name: str) -> str:
    return text.replace(place, name)


def is_plain(text: str) -> bool:
    """Whether a text is shown as it is, so that what is shown can be pasted."""
    return plain(text, len(text)) == text

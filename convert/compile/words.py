"""Splits a compiled program's text into words, and provides a cursor that reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

WORD = re.compile(
    r'"[^"\n]*"'
    r"|tensor<[^<>]*>"
    r"|->"
    r"|-?0x[0-9a-f]+(?:\.[0-9a-f]+)?p[+-][0-9]+"
    r"|-?[0-9]+(?:\.[0-9]+)?"
    r"|-?[A-Za-z_][A-Za-z0-9_@]*"
    r"|\S"
)
"""Matches one word. A whole tensor type is one word, because a few types are repeated so often."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_@]*")
"""Matches an identifier, as MIL.proto defines it."""


def split(text: str) -> list[str]:
    """Split `text` into words, dropping whitespace."""
    return WORD.findall(text)


class TextError(ValueError):
    """Raised for text that is not a valid program."""


@dataclass(slots=True, kw_only=True)
class Cursor:
    """Reads a text word by word; after the last word it returns empty strings."""

    text: str
    words: list[str] = field(init=False)
    at: int = 0

    def __post_init__(self) -> None:
        self.words = [*split(self.text), "", ""]

    @property
    def next(self) -> str:
        """The next word to read; it is not consumed."""
        return self.words[self.at]

    @property
    def second(self) -> str:
        """The word after `next`."""
        return self.words[self.at + 1]

    def take(self) -> str:
        """Return the next word and move past it."""
        word = self.words[self.at]
        if not word:
            self.fail("the text ends too early")
        self.at += 1
        return word

    def expect(self, *wanted: str) -> None:
        """Move past the words `wanted`; raise `TextError` if other words come next."""
        for word in wanted:
            if self.words[self.at] != word:
                self.fail(f"expected {word!r}, found {self.next[:40]!r}")
            self.at += 1

    def skip(self, word: str) -> bool:
        """Move past `word` if it is the current one, and return whether it was."""
        if self.words[self.at] != word:
            return False
        self.at += 1
        return True

    def name(self) -> str:
        """Read an identifier."""
        if not NAME.fullmatch(self.next):
            self.fail(f"expected a name, found {self.next[:40]!r}")
        return self.take()

    def number(self) -> int:
        """Read a decimal number that fits 64 bits."""
        if not re.fullmatch("[0-9]{1,19}", self.next):
            self.fail(f"expected a number, found {self.next[:40]!r}")
        return int(self.take())

    def fail(self, what: str) -> NoReturn:
        """Raise `TextError` with the line of the current word."""
        places = (match.start() for match in WORD.finditer(self.text))
        place = next((place for at, place in enumerate(places) if at == self.at), len(self.text))
        raise TextError(f"line {self.text.count(chr(10), 0, place) + 1}: {what}")

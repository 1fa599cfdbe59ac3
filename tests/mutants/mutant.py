"""A mutant: one line of a module, changed as a mistake would change it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_DEFINED = re.compile(r"^ *(?:def|class) (\w+)", re.MULTILINE)


def names_in(code: str) -> set[str]:
    """Return the words of a piece of code that may tell what it is about."""
    return set(re.findall(r"[A-Za-z_]\w{3,}", code))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A change of one line.

    `path` is relative to the checkout; `start` and `end` are offsets in the module's bytes, which
    `new` replaces; `line` counts from 1.
    """

    path: str
    line: int
    kind: str
    start: int
    end: int
    new: str

    def apply(self, source: bytes) -> bytes:
        """Return the module's source with the change."""
        return source[: self.start] + self.new.encode() + source[self.end :]

    def diff(self, source: bytes) -> str:
        """Return the change as a unified diff without context."""
        old, new = (
            text.decode("utf-8").splitlines(keepends=True) for text in (source, self.apply(source))
        )
        return "".join(difflib.unified_diff(old, new, self.path, self.path, n=0))

    def names(self, source: bytes) -> set[str]:
        """Return what the changed line names, and the definition before it."""
        before = source[: self.start].decode()
        around = re.findall(_DEFINED, before)[-1:]
        return names_in(source.splitlines()[self.line - 1].decode()) | set(around)

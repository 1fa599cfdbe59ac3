"""A mutant: one line of a module, changed as a mistake would change it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass


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

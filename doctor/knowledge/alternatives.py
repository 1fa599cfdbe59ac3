"""Splits a pattern into the wordings that it has: what stands between bars outside of groups."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]", re.DOTALL)
"""An escape, a set of characters (in which a bar is one), or what groups and divides."""


def split(pattern: str) -> tuple[str, ...]:
    """Return the alternatives of a pattern; one with flags for all of it is one wording."""
    if re.match(r"\(\?[aiLmsux]+\)", pattern):
        return (pattern,)
    parts, begin, depth = list[str](), 0, 0
    for token in _TOKEN.finditer(pattern):
        if token[0] in "()":
            depth += 1 if token[0] == "(" else -1
        elif token[0] == "|" and depth == 0:
            parts.append(pattern[begin : token.start()])
            begin = token.end()
    return (*parts, pattern[begin:])

"""Finds the name that somebody meant who spelled one wrongly."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def find_near(name: str, known: Iterable[str]) -> Sequence[str]:
    """Return the name that is spelled alike: the same but for capitals and _, or nearly so."""
    names = tuple(known)
    same = [one for one in names if is_respelled(name, one)]
    return same[:1] or difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)


_ALIKE = 0.88


def is_respelled(name: str, near: str) -> bool:
    """Return whether two names differ in nothing but capitals and _."""
    return name != near and _fold(name) == _fold(near)


def _fold(name: str) -> str:
    return name.replace("_", "").casefold()

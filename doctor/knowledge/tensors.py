"""Tells what the names of tensors are names of, by their beginnings or parts.

A name that code stumbles over is mostly no name of a package's: it is what the file holds, or what
the program looks for in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from sdcoreml.lockfiles.table import read_table

GROUPS: Mapping[str, str] = {"has": "has_kind", "wants": "wants_kind"}
"""The groups of patterns that capture names of tensors, and those that say what they belong to."""


def describe(name: str) -> str:
    """Return what a tensor is a part of, as "a LoRA"; "" if its name does not tell."""
    return next((kind for pattern, kind in _kinds() if pattern.search(name)), "")


def add_kinds(captured: Mapping[str, str]) -> Mapping[str, str]:
    """Return what was captured with the kinds of the tensors in it."""
    told = {kind: describe(captured[group]) for group, kind in GROUPS.items() if group in captured}
    return {**captured, **{group: kind for group, kind in told.items() if kind}}


@cache
def _kinds() -> Sequence[tuple[re.Pattern[str], str]]:
    table = read_table(Path(__file__).parent / "tensors.toml")
    rows = table.table("kinds").mapping()
    table.finish()
    return tuple((re.compile(pattern), kind) for pattern, kind in rows.items())

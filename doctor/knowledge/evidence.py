"""Reads what the judged logs say of each entry; a test writes evidence.toml from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sdcoreml.doctor.knowledge.words import find_literals, find_marks, find_words
from sdcoreml.lockfiles.table import TomlTable, read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the judged logs say of an entry.

    `named` is of how many each wording named the cause; `mistaken` of how many it would have named
    another, were the right entry not there. `words` and `marks` are those of the lines that told
    the cause.
    """

    named: tuple[int, ...] = ()
    mistaken: tuple[int, ...] = ()
    words: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()


@cache
def find_evidence(entry: str, pattern: str, example: str) -> Evidence:
    """Return what the judged logs say of an entry (its id), and it says itself."""
    table = _read().get(entry)
    words = table.get("words", str, "") if table else ""
    marks = table.get("marks", str, "") if table else ""
    return Evidence(
        named=_numbers(table, "named"),
        mistaken=_numbers(table, "mistaken"),
        words=find_words(example) | find_literals(pattern) | {*words.split()},
        marks=find_marks(example) | find_marks(pattern) | {*marks.split()},
    )


@cache
def _read() -> Mapping[str, TomlTable]:
    table = read_table(Path(__file__).parent / "evidence.toml")
    return {name: table.table(name) for name in table.values}


def _numbers(table: TomlTable | None, key: str) -> tuple[int, ...]:
    counts = table.values.get(key) if table else None
    return tuple(counts) if isinstance(counts, list) else ()

"""Compares what people read with the whole text of it, as it is kept in `tests/golden/`.

A page is kept as its elements and texts, one a line, without the style. A table of facts that came
from elsewhere is kept with one entry a line. Where a change is meant,
`GOLDEN=write` lets the same tests write the texts again; the diff then shows what people will see.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).with_name("golden")
AGAIN = "if that is meant, run this test with GOLDEN=write, and look at the diff"


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.lines.append(" ".join((tag, *(f'{name}="{value}"' for name, value in attrs))))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag != "style" and data.strip():
            self.lines.append(f"  {data.strip()}")


def outline_of(page: bytes) -> str:
    """Return the elements and the texts of a page, one a line."""
    outline = _Outline()
    outline.feed(page.decode("utf-8"))
    outline.close()
    return "\n".join((*outline.lines, ""))


def table_of(module: ModuleType, *names: str) -> str:
    """Return tables of a module, an entry a line; what has no order is sorted."""
    return "\n".join(
        line
        for name in names
        for line in (f"{module.__name__}.{name}", *_entries(getattr(module, name)), "")
    )


def _entries(table: object) -> Iterator[str]:
    match table:
        case Mapping():
            yield from (f"  {tell(key)}: {tell(value)}" for key, value in table.items())
        case set() | frozenset():
            yield from sorted(f"  {tell(one)}" for one in table)
        case tuple():
            yield from (f"  {tell(one)}" for one in table)
        case _:
            yield f"  {tell(table)}"


def tell(value: object) -> str:
    """Return a value as text that is the same in every process."""
    match value:
        case re.Pattern():
            return f"{value.pattern!r} {value.flags}"
        case Mapping():
            return f"{{{', '.join(f'{tell(key)}: {tell(one)}' for key, one in value.items())}}}"
        case set() | frozenset():
            return f"{{{', '.join(sorted(map(tell, value)))}}}"
        case tuple() | list():
            return f"({', '.join(map(tell, value))})"
        case Enum():
            return f"{type(value).__name__}.{value.name}"
        case _:
            name = str(getattr(value, "__qualname__", repr(value)))
            if "<lambda>" in name:
                raise TypeError("a lambda says nothing of what it does: test that")
            return name


def assert_golden(name: str, text: str) -> None:
    """Fail if `text` is not that of `tests/golden/NAME.txt`, even where it is written there now."""
    path = FOLDER / f"{name}.txt"
    kept = path.read_text("utf-8") if path.is_file() else ""
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, "utf-8")
    assert text.splitlines() == kept.splitlines(), f"{path.name}: {AGAIN}"

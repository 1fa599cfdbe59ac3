"""Compares what people read with the whole text of it, as it is kept in `tests/golden/`.

A page is kept as its elements and texts, one a line, without the style. Where a change is meant,
`GOLDEN=write` lets the same tests write the texts again; the diff then shows what people will see.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

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


def assert_golden(name: str, text: str, environ: Mapping[str, str] = os.environ) -> None:
    """Fail if `text` is not that of `tests/golden/NAME.txt`."""
    path = FOLDER / f"{name}.txt"
    if environ.get("GOLDEN") == "write":
        path.write_text(text, "utf-8")
    kept = path.read_text("utf-8") if path.is_file() else ""
    assert text.splitlines() == kept.splitlines(), f"{path.name}: {AGAIN}"

"""Lays out pages: one file of HTML that reads the same from a disk, on paper and aloud.

A page has one style sheet, no script, and asks for nothing from elsewhere: its security policy
forbids all of it, so that even a mistake here would load nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from sdcoreml.ground.markup import Child, Markup, cut, element, join, prose

HEAD = b"<!doctype html>\n<!-- made by sdcoreml -->\n"
"""The first bytes of every page that we write; only such a file is replaced."""

_STYLE = Path(__file__).with_name("page.css")
_MOST_ROWS, _MOST_BYTES, _MOST_LETTERS = 1_200, 200_000, 400
"""How much of one table is shown, and of one of its cells: a hostile manifest names millions."""

_MOST_VERDICTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page. `key` is its anchor, and has letters and hyphens only."""

    key: str
    title: str
    content: tuple[Markup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page: `kind` is what it is, `title` whom it is about, `lead` a few facts about that."""

    kind: str
    title: str
    lead: tuple[Child, ...]
    sections: tuple[Section, ...]
    foot: tuple[Child, ...] = ()

    def encode(self) -> bytes:
        """Return the file's bytes, which depend on nothing but this page."""
        sections = [one for one in self.sections if one.content]
        body = element(
            "body",
            element("a", "Skip to the content", class_="skip", href="#content"),
            element(
                "header",
                element("p", self.kind, class_="kind"),
                element("h1", self.title),
                *(element("p", line, class_="lead") for line in self.lead),
            ),
            _contents(sections) if len(sections) > _FEW else join(),
            element("main", *map(_render, sections), id="content"),
            element("footer", *(element("p", line) for line in self.foot)),
        )
        text = element("html", _head(self), body, lang="en").source
        return HEAD + text.replace("<section", "\n<section").encode() + b"\n"


_FEW = 3
"""Up to this many sections need no list of contents."""


def _contents(sections: Sequence[Section]) -> Markup:
    links = (element("li", element("a", one.title, href=f"#{one.key}")) for one in sections)
    return element("nav", element("ul", *links), aria_label="Contents")


def _render(section: Section) -> Markup:
    """Return a section as a landmark, named by its heading."""
    heading = f"{section.key}-title"
    return element(
        "section",
        element("h2", section.title, id=heading),
        *section.content,
        id=section.key,
        aria_labelledby=heading,
    )


@cache
def _style() -> tuple[str, str]:
    """Return the style sheet, and its digest as a security policy names it."""
    text = _STYLE.read_text("utf-8")
    return text, base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _head(page: Page) -> Markup:
    style, digest = _style()
    policy = "; ".join(
        (
            *("default-src 'none'", "base-uri 'none'", "form-action 'none'"),
            *(f"style-src 'sha256-{digest}'", "img-src data:"),
        )
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{page.title} · {page.kind}"),
        element("style", Markup(style)),
    )


Kind: TypeAlias = Literal["", "number", "code", "chart", "long"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: its heading, and what it holds, which decides how it is set."""

    title: str
    kind: Kind = ""


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Child]]) -> Markup:
    """Return a table whose first column names the rows; the longest ones are cut, and say so."""
    found, shown, room = iter(rows), [], _MOST_BYTES
    kinds = [column.kind or None for column in columns]
    for row in islice(found, _MOST_ROWS):
        shown.append(_row(row, kinds))
        room -= len(shown[-1].source)
        if room < 0:
            break
    left = sum(1 for _ in found)
    if not shown:
        return join()
    heads = (
        element("th", column.title, scope="col", class_=kind)
        for column, kind in zip(columns, kinds, strict=True)
    )
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *shown),
    )
    box = element("div", whole, class_="wide", role="group", aria_label=caption, tabindex="0")
    return join(box, paragraph(f"and {left:,} more")) if left else box


def _row(cells: Sequence[Child], kinds: Sequence[str | None]) -> Markup:
    first, *others = (cut(cell, _MOST_LETTERS) if isinstance(cell, str) else cell for cell in cells)
    rest = (element("td", cell, class_=kind) for cell, kind in zip(others, kinds[1:], strict=True))
    return element("tr", element("th", first, scope="row", class_=kinds[0]), *rest)


def facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """Return a list of names and values; values that are empty are left out."""
    rows = (
        element("div", element("dt", name), element("dd", value))
        for name, value in pairs
        if str(value)
    )
    return element("dl", *rows)


def paragraph(*children: Child, class_: str | None = None) -> Markup:
    """Return a paragraph; in text, what stands in backticks is code."""
    whole = (prose(child) if isinstance(child, str) else child for child in children)
    return element("p", *whole, class_=class_)


Tone: TypeAlias = Literal["good", "bad", "open", "note"]


def verdicts(items: Iterable[tuple[Tone, str, Child]]) -> Markup:
    """Return a list of sentences, each after a word that says how it is meant."""
    found = iter(items)
    rows = [
        element(
            "li",
            element("strong", word, class_=f"word {tone}"),
            element("span", prose(cut(text, _MOST_LETTERS)) if isinstance(text, str) else text),
        )
        for tone, word, text in islice(found, _MOST_VERDICTS)
    ]
    if left := sum(1 for _ in found):
        rows.append(element("li", f"and {left:,} more"))
    return element("ul", *rows, class_="verdicts")


def steps(items: Iterable[Child]) -> Markup:
    """Return a numbered list."""
    rows = (element("li", prose(item) if isinstance(item, str) else item) for item in items)
    return element("ol", *rows)


def listing(*lines: str) -> Markup:
    """Return lines to paste into a terminal or a program."""
    # Each line is a text of its own, which alone may be cut: half a command would be pasted.
    text = element("code", *("\n" * (number > 0) + line for number, line in enumerate(lines)))
    return element("pre", text, tabindex="0")


def folded(summary: str, *children: Child) -> Markup:
    """Return what is shown only on request, and in print."""
    return element("details", element("summary", summary), *children)


def heading(text: str) -> Markup:
    """Return a heading within a section."""
    return element("h3", text)

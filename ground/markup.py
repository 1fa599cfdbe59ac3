"""Builds HTML, and SVG within it, from elements: every text and every attribute is escaped.

`element` is the only way to make `Markup`, and escapes all other text, so nothing that a model says
of itself can become a tag, a script or a request. A template library would also escape by default,
but it is two more locked packages on the host, and 40 ms of imports in each conversion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sdcoreml.ground.visible import visible

_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\ufffe": "\\ufffe"}
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_EMPTY = frozenset({"br", "hr", "img", "meta", "wbr"})
"""Elements that have no content, and so no end tag."""

_ADDRESSES = ("href", "src")
_SAFE = ("#", "https://", "data:image/png;base64,")
"""How an address may begin. Anything else, such as `javascript:`, is refused."""

_LONGEST = 2_000
"""The letters of one text that are shown: a hostile name may have millions."""


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is safe to put on a page."""

    source: str

    def __str__(self) -> str:
        return self.source


Child: TypeAlias = Markup | str
Attribute: TypeAlias = str | float | bool | None


def element(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element; what is not `Markup` among its children is text.

    An attribute that is None or False is left out, and one that is True has no value. Underscores
    in its name stand for hyphens; one at the end is dropped: `class_`, `aria_label`.

    Raises:
        ValueError: a name is none, or an address is not one that pages may have.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of an element: {name!r}")
    start = "".join((name, *(_attribute(*item) for item in attributes.items())))
    if name in _EMPTY:
        return Markup(f"<{start}>")
    return Markup(f"<{start}>{join(*children).source}</{name}>")


def join(*children: Child) -> Markup:
    """Return several children as one."""
    return Markup("".join(map(_content, children)))


def escape(text: str) -> str:
    """Return a text as it is written in HTML; control characters are shown as escapes."""
    return visible(text).encode("utf-8", "backslashreplace").decode().translate(_ESCAPES)


def cut(text: str, most: int = _LONGEST) -> str:
    """Return a text, its middle left out if it has more than `most` letters."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"


def link(address: str) -> Markup:
    """Return a link that shows its address; other addresses than of the web are plain text."""
    is_safe = address.startswith("https://") and not set(address) & set(" \"'<>\\^`{|}")
    return element("a", address, href=address, rel="noreferrer") if is_safe else join(address)


def code(text: str) -> Markup:
    """Return a text as code."""
    return element("code", text)


def prose(text: str) -> Markup:
    """Return a text in which what stands in backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one backtick stands alone
        return join(text)
    return join(*(code(part) if number % 2 else part for number, part in enumerate(parts)))


def _content(child: Child) -> str:
    return child.source if isinstance(child, Markup) else escape(cut(child))


def _attribute(name: str, value: Attribute) -> str:
    """Return ` name="value"`, or nothing."""
    spelt = _SPELT.get(name) or name.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(spelt) or spelt.lower().startswith("on"):
        raise ValueError(f"not the name of an attribute: {name!r}")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {spelt}"
    text = value if isinstance(value, str) else f"{round(value, 3):g}"
    if spelt in _ADDRESSES and not text.startswith(_SAFE):
        raise ValueError(f"not an address for a page: {cut(text, 80)!r}")
    return f' {spelt}="{escape(text)}"'


_SPELT: Mapping[str, str] = {"view_box": "viewBox", "aspect": "preserveAspectRatio"}
"""The attributes of SVG that have capitals."""

"""Judges pages as a browser would read them: which elements they have, and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

HOSTILE = (
    "\"'></title></style><script>alert(1)</script><img src=x onerror=alert(1)>`x`&lt;\x1b[2J\u202e"
)
"""What a model might say of itself, to run a script on the page or to draw over it."""

_ELEMENTS = """
html head meta title style body a header p h1 h2 h3 nav ul li main section footer strong span dl div
dt dd table caption thead tbody tr th td svg rect desc code pre ol details summary figure figcaption
img
"""
ELEMENTS = frozenset(_ELEMENTS.split())
"""All elements that pages of ours have."""


@dataclass
class Seen(HTMLParser):
    """The elements, attributes and addresses of a page."""

    elements: list[str] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        found = {name: value or "" for name, value in attrs}
        self.attributes |= found.keys()
        self.addresses += [found[name] for name in ("href", "src") if name in found]
        self.ids += [found["id"]] if "id" in found else []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read_page(page: bytes) -> Seen:
    """Read a page; fail if it has what none of ours may have."""
    seen = Seen()
    seen.feed(page.decode("utf-8"))
    seen.close()
    assert {*seen.elements} <= ELEMENTS
    assert not [name for name in seen.attributes if name.startswith("on") or name == "style"]
    allowed = ("#", "https://", "data:image/png;base64,")
    assert all(address.startswith(allowed) for address in seen.addresses)
    assert len({*seen.ids}) == len(seen.ids)
    anchors = {address[1:] for address in seen.addresses if address.startswith("#")}
    assert anchors <= {*seen.ids}
    assert not {*page.decode("utf-8")} & {"\x1b", "\u202e"}
    assert len(page) < 2_000_000
    return seen


def text_of(page: bytes) -> str:
    """Return all text of a page, with single spaces."""
    return " ".join(" ".join(read_page(page).texts).split())

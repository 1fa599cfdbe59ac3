"""Opens pages in headless Chromium, in light and dark, narrow and wide, and lists what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
_PATIENCE = 120_000
"""Milliseconds that the browser may take for one thing: a machine of CI may be busy."""

_OVERFLOWS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
_UNFOLD = "document.querySelectorAll('details').forEach((one) => (one.open = true))"
_RUN_AXE = "async () => (await axe.run(document)).violations"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One way to look at a page: the window's width in pixels, and light or dark."""

    width: int
    scheme: str

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}"


VIEWS = tuple(View(width=width, scheme=scheme) for width in WIDTHS for scheme in SCHEMES)
JUDGED = (VIEWS[0], VIEWS[-1])
"""The views that axe judges: both widths and both schemes, but not each with each, for the time."""


def look(pages: Mapping[str, Path], browser: str, axe: str, shots: Path) -> Iterator[str]:
    """Yield a line for each fault of the pages; write a picture of each view.

    `browser` is the path of the browser, `axe` the source of axe-core. Playwright must be on the
    path of modules.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for view in VIEWS:
            size = {"width": view.width, "height": 900}
            context = chromium.new_context(
                viewport=size, color_scheme=view.scheme, reduced_motion="reduce"
            )
            context.set_default_timeout(_PATIENCE)
            for name, path in pages.items():
                shot = shots / f"{name}-{view}.png"
                source = axe if view in JUDGED else ""
                for fault in _look_at(context.new_page(), path, source, shot):
                    yield f"{name} ({view}): {fault}"
            context.close()
        chromium.close()


def _look_at(tab: Any, path: Path, axe: str, shot: Path) -> Iterator[str]:
    """Yield the faults of one page in one view."""
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: said.append(f"error: {error}"))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    tab.screenshot(path=shot, full_page=True)
    if tab.evaluate(_OVERFLOWS):
        yield "wider than the window"
    if axe:
        # What a reader may unfold is looked at, too.
        tab.evaluate(_UNFOLD)
        tab.evaluate(axe)
        for found in tab.evaluate(_RUN_AXE):
            nodes = found["nodes"]
            first = nodes[0]["html"][:160]
            yield f"axe: {found['id']}: {found['help']} ({len(nodes)}, first {first})"
    yield from said
    inside = ("data:image/png;base64,", path.as_uri())
    yield from (f"asks for {url[:120]}" for url in asked if not url.startswith(inside))
    tab.close()

"""Where the studio's scenes play: a browser, a fake of the server, and what must never happen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.browser.looking import View
from tests.browser.studio.fake import Studio
from tests.browser.studio.wire import Server

VIEWS = tuple(
    View(width=width, scheme=scheme) for width in (320, 1280) for scheme in ("light", "dark")
)
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/143 Safari/537.36"
PATIENCE = 20_000
"""Milliseconds that the page may take for one thing: a machine of CI may be busy."""

PAINTS = 300
"""Milliseconds after which something must be seen; the best of a few, of a busy machine."""

FEW, MANY = 3, 20
"""How often it is measured: often only where others use the processor meanwhile."""

WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
_CARDS = "[...document.querySelectorAll('.option')]"
SPILLS = f"{_CARDS}.some((one) => one.scrollWidth > one.clientWidth)"
"""Whether an option's words stand outside its card."""

AXE = "async () => (await axe.run(document)).violations"


def once_more(
    play: Callable[[], Iterable[str]], name: str, tell: Callable[[str], None]
) -> Sequence[str]:
    """Return the faults of a play that has some twice; tell those that it had only at first.

    As `tests.again` does: what passes then is a race, of the scene or of the page, to be mended.
    """
    if not (first := list(play())):
        return ()
    if again := list(play()):
        return again
    tell(f"{name}: failed once, then passed: a race, of the scene or of the page: mend it:")
    for fault in first:
        tell(f"  {fault}")
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A browser, a fake studio with its server, and what the pages said that they should not."""

    chromium: Any
    axe: str
    shots: Path
    server: Server
    said: list[str] = field(default_factory=list)

    @property
    def studio(self) -> Studio:
        return self.server.studio

    @contextmanager
    def page(
        self, view: View = VIEWS[-2], address: str = "", locale: str = "en-US"
    ) -> Iterator[Any]:
        """Open the page as `sdcoreml studio` does, in a window of its own."""
        context = self.chromium.new_context(
            viewport={"width": view.width, "height": 900},
            color_scheme=view.scheme,
            reduced_motion="reduce",
            user_agent=MAC,
            locale=locale,
        )
        context.set_default_timeout(PATIENCE)
        tab = context.new_page()
        self.listen(tab)
        tab.goto(address or self.server.address)
        if not address:
            tab.wait_for_selector("[data-server=here]")
        try:
            yield tab
        finally:
            context.close()

    def listen(self, tab: Any) -> None:
        """Note whatever a page should not do."""
        own = f"http://127.0.0.1:{self.server.port}/"
        # A lost connection is what some of the scenes are about; the browser says it, too.
        harmless = (
            "ERR_CONNECTION",
            "ERR_SOCKET",
            "ERR_NETWORK",
            "ERR_TIMED_OUT",
            "ERR_ABORTED",
            "ERR_INCOMPLETE",
            "ERR_EMPTY",
            "ERR_UPLOAD",
            "ERR_FILE",
            "status of 4",
        )

        def note(text: str, *fine: str) -> None:
            if not any(one in text for one in fine):
                self.said.append(text)

        def dismiss(dialog: Any) -> None:
            note(f"dialog: {dialog.message}")
            dialog.dismiss()

        tab.on("console", lambda one: note(one.text, *harmless))
        tab.on("pageerror", lambda error: note(f"error: {error}"))
        tab.on("dialog", dismiss)
        tab.on("request", lambda one: note(f"asks for {one.url}", own))

    def judge(self, tab: Any, name: str, *, with_axe: bool = True) -> None:
        """Take a picture of a state, and judge it."""
        tab.screenshot(path=self.shots / f"studio-{name}.png", full_page=True)
        if tab.evaluate(WIDER):
            self.said.append(f"{name}: wider than the window")
        if tab.evaluate(SPILLS):
            self.said.append(f"{name}: an option is wider than its card")
        if with_axe:
            tab.evaluate(self.axe)
            for found in tab.evaluate(AXE):
                first = found["nodes"][0]["html"][:160]
                self.said.append(f"{name}: axe: {found['id']}: {found['help']} (first {first})")


def drop(tab: Any, path: Path) -> None:
    """Drop a file or a folder as a hand does: from outside the browser."""
    box = tab.locator("#drop").bounding_box()
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 20}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    hand = tab.context.new_cdp_session(tab)
    for kind in ("dragEnter", "dragOver", "drop"):
        hand.send("Input.dispatchDragEvent", {"type": kind, **where, "data": data})


def until(tab: Any, expression: str, seconds: float = PATIENCE / 1000) -> None:
    """Wait until something is true; the page's policy lets nobody wait inside it."""
    end = time.monotonic() + seconds
    while not tab.evaluate(expression):
        if time.monotonic() > end:
            raise TimeoutError(expression)
        time.sleep(0.03)

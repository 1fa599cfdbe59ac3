"""The whole way with the true server and the true converter, through kills of both.

It drops a file, chooses others from the machine's folders, converts them in an order that it
changes, kills the server and the runner in the middle, and ends with pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.browser.looking import View
from tests.browser.studio.house import LARGE, ODD, SAMPLE, SMALL, House
from tests.browser.studio.stage import AXE, WIDER, drop, until

VERDICT = 1.0
"""Seconds of the server's processor that the verdict of a file of 7 GB may take."""

LONG = 300.0
"""Seconds that a conversion may take on a busy machine."""

_ORDER = "[...document.querySelectorAll('#entries > li')].map((one) => one.dataset.id).join(' ')"
_DONE = "document.querySelectorAll('#finished > [data-state=done]').length"


class Visit:
    """Two windows on the page of one studio, and what they say that they should not."""

    def __init__(self, house: House, chromium: Any, axe: str, shots: Path) -> None:
        self.house, self.axe, self.shots = house, axe, shots
        self.said: list[str] = []
        self.dropped = ""
        self.one, self.other = (
            self._open(chromium, View(width=width, scheme=scheme))
            for width, scheme in ((1280, "light"), (320, "dark"))
        )

    def _open(self, chromium: Any, view: View) -> Any:
        size = {"width": view.width, "height": 900}
        context = chromium.new_context(
            viewport=size, color_scheme=view.scheme, reduced_motion="reduce"
        )
        context.set_default_timeout(60_000)
        tab = context.new_page()
        tab.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        tab.on("console", self._hear)
        tab.goto(self.house.address)
        tab.wait_for_selector("[data-server=here]")
        return tab

    def _hear(self, message: Any) -> None:
        """Note what the browser complains of, such as a script that the policy did not let run."""
        if "Content Security Policy" in message.text:
            self.said.append(message.text)

    def judge(self, name: str) -> None:
        for tab, width in ((self.one, "wide"), (self.other, "narrow")):
            tab.screenshot(path=self.shots / f"whole-{name}-{width}.png", full_page=True)
            if tab.evaluate(WIDER):
                self.said.append(f"{name}: wider than the window")
            tab.evaluate(self.axe)
            self.said.extend(
                f"{name}: axe: {one['id']}: {one['help']} ({one['nodes'][0]['html'][:160]})"
                for one in tab.evaluate(AXE)
            )

    def portray(self, name: str, scheme: str) -> None:
        """Take a picture for the README: what is seen without scrolling."""
        tab = self.one
        before = tab.viewport_size
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        tab.set_viewport_size({"width": 1120, "height": 860})
        tab.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
        tab.mouse.move(0, 0)
        tab.screenshot(path=self.shots / f"readme-{name}.png")
        tab.set_viewport_size(before)
        tab.emulate_media(color_scheme="light", reduced_motion="reduce")

    def choose(self, name: str) -> None:
        """Choose from the listing of the machine's folders, beginning at the home folder."""
        self.one.click("#browse")
        self.one.wait_for_selector("dialog .item")
        found = f"dialog .item:has(bdi:text-is('{name}'))"
        if not self.one.query_selector(found):
            self.one.click("dialog .item.folder >> nth=0")
        self.one.click(found)

    def drop(self, path: Path) -> None:
        drop(self.one, path)
        self.one.wait_for_selector("#model .verdict")

    def convert(self) -> None:
        self.one.wait_for_selector(".offer .primary[aria-disabled=false]")
        before = self.one.evaluate("document.querySelectorAll('.entries > li').length")
        self.one.click(".offer .primary")
        until(self.one, f"document.querySelectorAll('.entries > li').length > {before}", LONG)
        self.one.wait_for_selector("#start:not([hidden])")


def verdicts(visit: Visit) -> str:
    """The verdict of a file of 7 GB is there at once, chosen or dropped."""
    tab, big = visit.one, visit.house.home / LARGE
    told = []
    for way, ask in (
        ("chosen", lambda: visit.choose(LARGE)),
        ("dropped", lambda: tab.set_input_files("#file", big)),
    ):
        begun, before = time.monotonic(), visit.house.labour()
        ask()
        tab.wait_for_selector("#model .verdict")
        waited, worked = time.monotonic() - begun, visit.house.labour() - before
        told.append(f"{way} {waited:.1f} s, {worked:.2f} of them the server's")
        assert worked <= VERDICT, f"the verdict of 7 GB took {worked:.2f} s"
        tab.wait_for_selector(".plan .figures")
        if way == "chosen":
            visit.portray("choices", "light")
        visit.judge(f"large-{way}")
        tab.click("#model >> text=Choose another")
    return f"verdict of 7 GB: {'; '.join(told)}"


def odd_names(visit: Visit) -> None:
    """A file whose name is markup is listed, judged and dropped by that name, and nothing runs."""
    tab = visit.one
    tab.click("#browse")
    tab.wait_for_selector("dialog .item")
    tab.click("dialog .item:has-text('onerror')")
    for _ in range(2):
        tab.wait_for_selector("#model .verdict")
        assert "<img src=x onerror=alert(1)>" in tab.inner_text("#model h2")
        assert not tab.query_selector("main img")
        visit.judge("odd-name")
        tab.click("#model >> text=Choose another")
        tab.set_input_files("#file", visit.house.home / ODD)
    tab.wait_for_selector("#model .verdict")
    tab.click("#model >> text=Choose another")


def enqueue(visit: Visit) -> None:
    """A file and a folder are dropped, copied and wait, one is chosen; both windows show all."""
    tab = visit.one
    visit.drop(visit.house.home / SMALL)
    visit.convert()
    visit.drop(visit.house.home / SAMPLE)  # a folder
    visit.convert()
    visit.dropped = tab.evaluate(_ORDER).split()[-1]
    visit.choose(SAMPLE)
    tab.wait_for_selector(".plan .figures")
    _choose_bits(tab, 2)
    visit.convert()
    until(visit.other, "document.querySelectorAll('.entries > li').length === 3")


def _choose_bits(tab: Any, place: int) -> None:
    """Choose how many bits a weight gets: each quality is a card."""
    tab.click(f"[data-key=bits] .option >> nth={place}")
    tab.wait_for_selector(".plan:not([aria-busy]) .figures")


def killed_server(visit: Visit) -> None:
    """The server is killed while a model is converted: the runner goes on, the pages come back."""
    until(visit.one, "Boolean(document.querySelector('#entries [data-state=running]'))", LONG)
    runner = visit.house.runner()
    visit.house.kill()
    for tab in (visit.one, visit.other):
        tab.wait_for_selector("[data-server=gone]")
    assert runner.is_running()
    visit.house.start()
    for tab in (visit.one, visit.other):
        tab.wait_for_selector("[data-server=here]")


def steer(visit: Visit) -> None:
    """Pause, reorder, cancel, retry and go on: each window shows what the other did."""
    one, other = visit.one, visit.other
    one.click("#pause")
    until(other, "document.getElementById('pause').textContent === 'Go on'")
    until(one, "!document.querySelector('#entries [data-state=running]')", LONG)
    small, first, second = one.evaluate(_ORDER).split()
    one.click("#entries > li:last-child [data-does=up]")
    until(other, f"{_ORDER} === '{small} {second} {first}'")
    other.click("#entries > li:first-child [data-does=cancel]")
    one.wait_for_selector("#finished [data-state=cancelled]")
    one.click("#finished [data-does=retry]")
    until(other, f"{_ORDER}.split(' ').length === 3")
    while one.evaluate(_ORDER).split()[-1] != small:
        one.focus(f"#entries > [data-id='{small}'] h3")
        one.keyboard.press("Alt+ArrowDown")
        time.sleep(0.5)
    until(other, f"{_ORDER} === '{second} {first} {small}'")
    other.click("#pause")
    until(one, "Boolean(document.querySelector('#entries [data-state=running]'))", LONG)


def killed_runner(visit: Visit) -> None:
    """The runner and its children are killed: what it did is done again, and ends well."""
    until(visit.one, "document.querySelector('#entries progress').value > 0.2", LONG)
    visit.portray("queue", "light")
    visit.house.kill_runner()
    until(visit.one, f"{_DONE} === 2", LONG)
    until(visit.other, f"{_DONE} === 2")
    visit.judge("done")


def cancelled(visit: Visit) -> None:
    """What is being converted is cancelled: nothing half-made is left."""
    until(visit.one, "Boolean(document.querySelector('#entries .meter .step').textContent)", LONG)
    visit.other.click("#entries > li:first-child [data-does=cancel]")
    visit.one.wait_for_selector("#finished [data-state=cancelled]")
    models = visit.house.home / "models"
    assert not [path.name for path in models.iterdir() if path.name.startswith("small")]
    assert not [path.name for path in models.iterdir() if path.name.endswith(".part")]


def pictures(visit: Visit) -> None:
    """The folder that was dropped, now finished, draws beside the original, and has its report."""
    tab = visit.one
    entry = f"#finished > [data-id='{visit.dropped}']"
    address = tab.get_attribute(f"{entry} >> a", "href")
    with tab.context.expect_page() as opened:
        tab.click(f"{entry} >> a")
    report = opened.value
    report.wait_for_selector("h1")
    assert address
    assert "sample" in report.inner_text("h1")
    assert report.evaluate("getComputedStyle(document.body).maxWidth") != "none", "no style"
    report.close()
    tab.click(f"{entry} >> text=Draw a picture with it")
    tab.fill(f"{entry} >> .draw input[type=text]", "a red circle on a blue background")
    tab.fill(f"{entry} >> .draw input[max='50']", "12")
    tab.click(f"{entry} >> .draw button")
    for window in (tab, visit.other):
        until(window, "[...document.images].some((one) => one.naturalWidth > 100)", LONG)
    visit.judge("pictures")
    visit.portray("pictures", "dark")


def others(visit: Visit) -> None:
    """The library and the doctor say what the true ones say."""
    for tab, view, shown in (
        (visit.one, "library", "#library-list > *"),
        (visit.other, "doctor", "#doctor-list .verdicts li"),
    ):
        tab.click(f"nav a[href='#/{view}']")
        tab.wait_for_selector(shown)
        assert tab.query_selector(f"#{view}-list > .refusal") is None
    visit.judge("others")


SCENES: tuple[Callable[[Visit], str | None], ...] = (
    verdicts,
    odd_names,
    enqueue,
    killed_server,
    steer,
    killed_runner,
    cancelled,
    pictures,
    others,
)


def go_through(browser: str, axe: str, shots: Path, tell: Callable[[str], None]) -> Iterator[str]:
    """Yield a line for each fault; tell figures. The first ends it: each scene needs the last."""
    from playwright.sync_api import sync_playwright

    house = House(folder=shots / "house")
    try:
        house.set_up()
        house.start()
        with sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            visit = Visit(house, chromium, axe, shots)
            for scene in SCENES:
                begun = time.monotonic()
                try:
                    if figures := scene(visit):
                        tell(f"studio: {figures}")
                except Exception as error:  # noqa: BLE001 (whatever it is, it is a fault to show)
                    visit.one.screenshot(path=shots / "whole-fault.png", full_page=True)
                    yield f"studio, whole way, {scene.__name__}: {type(error).__name__}: {error}"
                    break
                tell(f"studio: {scene.__name__} {time.monotonic() - begun:.0f} s")
            yield from (f"studio, whole way: {line}" for line in visit.said)
            chromium.close()
    finally:
        house.end()

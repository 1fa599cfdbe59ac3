"""Every state of the studio's page, looked at; what others wrote is text in each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.browser.studio import answers
from tests.browser.studio.fake import Studio
from tests.browser.studio.stage import VIEWS, Stage, until
from tests.pages import HOSTILE


def listing(tab: Any, _studio: Studio) -> None:
    tab.click("#browse")
    tab.wait_for_selector("dialog .item")
    if not tab.query_selector("dialog .item.model"):
        tab.click("dialog .item.folder >> nth=0")
    tab.wait_for_selector("dialog .item.model")


def model(tab: Any, _studio: Studio) -> None:
    tab.click("dialog .item.model >> nth=0")
    tab.wait_for_selector(".plan .figures")


def unfolded(tab: Any, _studio: Studio) -> None:
    tab.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")


def queue(tab: Any, studio: Studio) -> None:
    tab.click(".offer .primary")
    tab.wait_for_selector("#entries > li")
    first = studio.entries[0]["id"]
    for title in ("deliberate-v2", "anything-v5", "sdxl-turbo"):
        studio.add("convert", title)
    studio.add("convert", "inkpunk", **answers.FAILED)
    studio.change(first, **answers.DONE)
    studio.add("draw", "a red circle on a blue background", of=first, **answers.DRAWN)
    working = {"state": "running", "done": 42, "total": 100, "left": 75, "step": "build Unet"}
    studio.change(studio.entries[1]["id"], **working)
    tab.wait_for_selector(".sheet img[src]")
    until(tab, "[...document.images].every((one) => one.complete)")


def library(tab: Any, _studio: Studio) -> None:
    tab.click("nav a[href='#/library']")
    tab.wait_for_selector("#library-list li")


def doctor(tab: Any, _studio: Studio) -> None:
    tab.click("nav a[href='#/doctor']")
    tab.wait_for_selector("#doctor-list .checks")


STATES: Mapping[str, Callable[[Any, Studio], None]] = {
    "start": lambda _tab, _studio: None,
    "listing": listing,
    "model": model,
    "choices": unfolded,
    "queue": queue,
    "library": library,
    "doctor": doctor,
}


def looks(stage: Stage) -> None:
    """Every state of the page in light and dark, narrow and wide."""
    for view in VIEWS:
        stage.studio.entries.clear()
        with_axe = view in {VIEWS[0], VIEWS[-1]}
        with stage.page(view) as tab:
            for name, prepare in STATES.items():
                prepare(tab, stage.studio)
                stage.judge(tab, f"{name}-{view}", with_axe=with_axe)


def hostile(stage: Stage) -> None:
    """Whatever the server says of a model is text, everywhere."""
    entry = {"because": HOSTILE, "remedy": HOSTILE, "command": HOSTILE}
    folder = {"handle": HOSTILE, "name": HOSTILE, "report": f"//{HOSTILE}"}
    extra = {"figures": [[HOSTILE, HOSTILE]], "folders": [folder], "warnings": [HOSTILE]}
    drawn = {"pictures": [{"title": HOSTILE, "text": HOSTILE}], "state": "done"}
    foreign = "document.querySelectorAll('img:not([src^=\"blob:\"]):not([alt]), main script, main style, a[href*=javascript]').length"  # noqa: E501 (a selector)
    with stage.page() as tab:
        tab.click("#browse")
        tab.click("dialog .item.folder >> nth=0")
        tab.wait_for_selector("dialog .item.model")
        tab.click("dialog .item.folder >> nth=0")
        until(tab, "document.querySelectorAll('dialog .item').length === 1")
        tab.click("dialog .item")
        tab.wait_for_selector(".details .findings")
        unfolded(tab, stage.studio)
        stage.judge(tab, "hostile-model")
        assert tab.inner_text("#model h2").startswith("\"'></title></style><script>alert(1)")
        stage.studio.add("convert", HOSTILE, **{**entry, **extra, "state": "done"})
        stage.studio.add("convert", HOSTILE, **{**entry, "state": "failed"})
        stage.studio.add("draw", HOSTILE, **{**entry, **drawn})
        number = stage.studio.add("convert", HOSTILE, state="running")
        stage.studio.advance(number, 1, 2, 3, HOSTILE)
        tab.wait_for_selector("#finished > li >> nth=2")
        unfolded(tab, stage.studio)
        stage.judge(tab, "hostile-queue")
        library(tab, stage.studio)
        stage.judge(tab, "hostile-library")
        doctor(tab, stage.studio)
        stage.judge(tab, "hostile-doctor")
        assert tab.evaluate(foreign) == 0
        tab.goto(f"{stage.server.address.split('#')[0]}#/{HOSTILE}")
        tab.wait_for_selector("#convert:not([hidden])")


def refused(stage: Stage) -> None:
    """What cannot be converted says why, and offers nothing; a contradiction cannot be sent."""
    with stage.page() as tab:
        tab.fill("#hub-name", "nobody/nothing")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#model .refusal")
        stage.judge(tab, "no-such-name")
        tab.click("#model >> text=Choose another")
        listing(tab, stage.studio)
        tab.click("dialog .item.model >> nth=1")
        tab.wait_for_selector("#model .verdict.bad")
        assert tab.query_selector(".offer") is None
        stage.judge(tab, "cannot")
        tab.click("#model >> text=Choose another")
        listing(tab, stage.studio)
        model(tab, stage.studio)
        tab.click("text=4 bits")
        tab.click("text=768 × 512")  # noqa: RUF001 (as the page has it)
        tab.wait_for_selector(".plan .refusal")
        assert tab.get_attribute(".offer .primary", "aria-disabled") == "true"
        stage.judge(tab, "contradiction")
        count = len(stage.studio.asked)
        tab.dispatch_event(".offer .primary", "click")
        assert len(stage.studio.asked) == count


def limits(stage: Stage) -> None:
    """A choice limits others: they go, the page says what was given up, the focus stays."""
    with stage.page() as tab:
        listing(tab, stage.studio)
        model(tab, stage.studio)
        unfolded(tab, stage.studio)
        tab.check("[name=choice-programs] >> nth=0")
        tab.click("text=Macs with a strong GPU")
        tab.wait_for_selector(".changed p")
        assert tab.query_selector("[data-key=programs]") is None
        said = tab.inner_text("[data-key=attention] .note .bad")
        assert said.endswith("No phone holds it. Choose fewer bits."), said
        stage.judge(tab, "noted")
        assert tab.is_checked("[name=choice-attention] >> nth=1")
        assert tab.evaluate("document.activeElement.name") == "choice-attention"
        tab.click("text=Any Mac, iPad or iPhone")
        until(tab, "!document.querySelector('.note p')")
        tab.click("text=Macs with a strong GPU")
        tab.wait_for_selector(".note p")
        # What was not chosen by hand is recommended anew, and is no wish.
        assert stage.studio.planned[-1].keys() >= {"attention"}
        assert not stage.studio.planned[-1].keys() & {"bits", "size", "target"}
        tab.click("#model >> text=Choose another")
        listing(tab, stage.studio)
        tab.click("dialog >> text=v2-unknown.ckpt")
        tab.wait_for_selector(".plan .refusal")
        assert not tab.is_checked("[name=choice-prediction-type] >> nth=0")
        stage.judge(tab, "asks-first")
        tab.click("text=Velocity")
        tab.wait_for_selector(".plan .figures")
        tab.click(".offer .primary")
        tab.wait_for_selector("#entries > li")
    assert stage.studio.asked[-1][1]["choices"]["prediction-type"] == "v_prediction"


def folds(stage: Stage) -> None:
    """What is rare is behind the second fold, whatever its kind; each fold says what is chosen."""
    told = "[...document.querySelectorAll('.told')].map((one) => one.textContent)"
    inside = "[...document.querySelectorAll('.offer .told')].map((one) => [...one.closest('details').querySelectorAll('[data-key]')].map((group) => group.dataset.key).join(' '))"  # noqa: E501 (a script)
    with stage.page() as tab:
        listing(tab, stage.studio)
        model(tab, stage.studio)
        assert tab.evaluate(inside) == ["lora programs", "embedding clip-skip target"]
        assert tab.evaluate(told) == ["", ""]
        assert "One folder for Mochi Diffusion" in tab.inner_text(".details > p")
        unfolded(tab, stage.studio)
        tab.check("[name=choice-programs] >> nth=0")
        tab.check("[name=choice-programs] >> nth=1")
        tab.check("[name=choice-clip-skip] >> nth=1")
        tab.select_option("[data-key=target] select", "2")
        assert tab.evaluate(told) == [
            "Made besides: ControlNet, Safety checker",
            "CLIP skip: 2; Oldest system: macOS15",
        ]


def lacks(stage: Stage) -> None:
    """What a model cannot do without is asked for in sight, not behind a fold."""
    with stage.page() as tab:
        listing(tab, stage.studio)
        tab.click("dialog >> text=no-vae.safetensors")
        tab.wait_for_selector("[data-key=vae] button")
        assert tab.is_visible("[data-key=vae] button")
        stage.judge(tab, "lacks")

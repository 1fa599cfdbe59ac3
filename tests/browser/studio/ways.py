"""The studio's page used as people use it: by mouse, by keyboard, with a screen reader."""

from __future__ import annotations

from typing import Any

from tests.browser.studio import answers
from tests.browser.studio.looks import doctor, library
from tests.browser.studio.stage import FEW, MANY, PAINTS, Stage, until
from tests.browser.studio.wire import PAGE

_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def first_paint(stage: Stage) -> str:
    """Something is seen at once, the token leaves the address, and nothing moves that need not."""
    best = PAINTS * 10.0
    tries = 0
    while tries < FEW or (best > PAINTS and tries < MANY):
        tries += 1
        with stage.page() as tab:
            best = min(best, tab.evaluate(_PAINT) or best)
            assert tab.evaluate("location.hash") == "#/convert"
            moves = tab.evaluate("getComputedStyle(document.querySelector('.drop')).transition")
            assert "none" in moves or moves.startswith("all 0s"), moves
    assert best <= PAINTS, f"the first paint took {best:.0f} ms"
    size = sum(path.stat().st_size for path in PAGE.iterdir())
    return f"first paint after {best:.0f} ms; {size / 1e3:.0f} kB in all"


def keyboard(stage: Stage) -> None:
    """The whole way by the keyboard alone, and the focus is always somewhere sensible."""
    focused = "document.activeElement.id || document.activeElement.textContent"
    with stage.page() as tab:
        press = tab.keyboard.press
        press("Tab")
        assert tab.evaluate(focused) == "skip"
        press("Enter")
        assert tab.evaluate(focused) == "main"
        press("Tab")
        assert tab.evaluate(focused) == "browse"
        press("Enter")
        until(tab, "document.activeElement.matches('dialog .item')")
        press("Escape")
        until(tab, "document.activeElement.id === 'browse'")
        press("Enter")
        until(tab, "document.activeElement.matches('dialog .item')")
        press("Enter")
        tab.wait_for_selector("dialog .item.model")
        until(tab, "document.activeElement.matches('dialog .item')")
        press("ArrowDown")
        press("Enter")
        tab.wait_for_selector(".plan .figures")
        assert tab.evaluate(focused) == "dreamlike-photoreal-2.0"
        radio = "document.activeElement.matches('[name=choice-bits]')"
        while not tab.evaluate(radio):
            press("Tab")
        press("ArrowDown")
        until(tab, "document.querySelector('.plan').textContent.includes('610 MB')")
        while not tab.evaluate("document.activeElement.matches('.offer .primary')"):
            press("Tab")
        press("Enter")
        until(tab, "document.activeElement.matches('#entries h3')")
    asked = stage.studio.asked[-1][1]
    assert asked["model"] == {"handle": "m-good"}, asked
    assert asked["choices"]["bits"] == 4, asked


def queue_order(stage: Stage) -> None:
    """Reorder by buttons and keys, pause, cancel, retry, remove; the focus stays where it was."""
    studio = stage.studio
    titles = "[...document.querySelectorAll('#entries h3')].map((one) => one.textContent).join(' ')"
    for name in "abcd":
        studio.add("convert", name)

    def wait(tab: Any, expected: str) -> None:
        until(tab, f"{titles} === '{expected}'")

    with stage.page() as tab:
        wait(tab, "a b c d")
        tab.click("[aria-label='Down: a']")
        wait(tab, "b a c d")
        held = "document.activeElement.getAttribute('aria-label')"
        assert tab.evaluate(held) == "Down: a"
        tab.keyboard.press("Alt+ArrowDown")
        wait(tab, "b c a d")
        tab.keyboard.press("Alt+ArrowUp")
        wait(tab, "b a c d")
        assert tab.evaluate(held) == "Down: a"
        tab.drag_and_drop(
            "#entries h3:text-is('d')", "#entries h3 >> nth=0", target_position={"x": 5, "y": 1}
        )
        wait(tab, "d b a c")
        tab.drag_and_drop("#entries h3:text-is('d')", "#entries > li:last-child .makes")
        wait(tab, "b a c d")
        tab.click("#pause")
        until(tab, "document.getElementById('pause').textContent === 'Go on'")
        tab.click("#pause")
        until(tab, "document.getElementById('pause').textContent === 'Pause'")
        tab.click("[aria-label='Cancel: c']")
        tab.wait_for_selector("#finished [data-state=cancelled]")
        tab.click("[aria-label='Try again: c']")
        wait(tab, "b a c d")
        studio.change(studio.entries[0]["id"], **answers.FAILED)
        tab.wait_for_selector("#finished .refusal")
        until(tab, "document.getElementById('said').textContent.startsWith('b: failed')")
        tab.click("#finished .log summary")
        until(tab, "document.querySelector('#finished pre').textContent.length > 20")
        tab.click("[aria-label='Remove: b']")
        until(tab, "!document.querySelector('#finished li')")
        assert tab.evaluate("document.activeElement !== document.body")


def quiet(stage: Stage) -> None:
    """Progress is shown, and not read out: a live region that speaks each second is silenced."""
    number = stage.studio.add("convert", "a")
    watch = """() => {
      window.spoken = [];
      const note = (all) => all.forEach((one) => one.target.textContent && window.spoken.push(one.target.textContent));
      const live = document.querySelectorAll('[role=status], [role=alert], [aria-live]:not([aria-live=off])');
      live.forEach((one) => new MutationObserver(note).observe(one, {childList: true, subtree: true, characterData: true}));
    }"""  # noqa: E501 (a script)
    with stage.page() as tab:
        tab.wait_for_selector("#entries > li")
        tab.evaluate(watch)
        stage.studio.change(number, state="running")
        for done in range(1, 21):
            stage.studio.advance(number, done, 20, 21 - done, f"step {done}")
        until(tab, "document.querySelector('#entries .step').textContent === 'step 20'")
        until(tab, "document.title.startsWith('100%')")
        assert tab.evaluate("window.spoken") == []
        stage.studio.change(number, **answers.DONE)
        until(tab, "window.spoken.length > 0")
        assert tab.evaluate("window.spoken.join('|')") == "a: done."


def finished(stage: Stage) -> None:
    """What was made can be shown, installed and drawn with."""
    number = stage.studio.add("convert", "a", **answers.DONE)
    with stage.page() as tab:
        tab.click("#finished >> text=Show in Finder")
        tab.click("#finished >> text=Put into Mochi")
        tab.wait_for_selector("#finished >> text=Being put into Mochi")
        tab.click("#finished .result summary")
        assert tab.get_attribute("#finished form input[type=number]", "max") == "50"
        tab.fill("#finished form input[type=text]", "a yellow star")
        tab.click("#finished form button")
        tab.wait_for_selector("#entries > li")
        assert tab.get_attribute("#finished a", "href") == "/report/abc"
    asked = [{"prompt": "a yellow star", "steps": 8, "seed": 0, "id": number}, {"id": number}]
    assert stage.studio.asked[-1] == ("pictures", asked[0])
    assert ("install", asked[1]) in stage.studio.asked
    assert ("reveal", {"handle": "o1"}) in stage.studio.asked


_COUNT = """() => {
  window.held = 0;
  const { createObjectURL, revokeObjectURL } = URL;
  URL.createObjectURL = (blob) => (window.held += 1, createObjectURL.call(URL, blob));
  URL.revokeObjectURL = (address) => (window.held -= 1, revokeObjectURL.call(URL, address));
}"""


def removing(stage: Stage) -> None:
    """Entries are removed: what is typed at another stays, and their pictures are freed."""
    first = stage.studio.add("convert", "a", **answers.DONE)
    second = stage.studio.add("convert", "b", **answers.DONE)
    with stage.page() as tab:
        entry = f"#finished > [data-id={second}]"
        prompt = f"{entry} .draw input[type=text]"
        tab.click(f"{entry} .result summary")
        tab.fill(prompt, "half a pro")
        tab.evaluate(_COUNT)
        drawn = stage.studio.add("draw", "c", **answers.DRAWN)
        tab.wait_for_selector(f"#finished > [data-id={drawn}] img[src]")
        assert tab.evaluate("window.held") > 0
        for number in (first, drawn):
            stage.studio.act(number, "remove", {})
            until(tab, f"!document.querySelector('[data-id={number}]')")
        assert tab.input_value(prompt) == "half a pro"
        assert tab.evaluate("document.activeElement.value") == "half a pro"
        until(tab, "window.held === 0")
        number = f"{entry} .draw input[max='50']"
        tab.fill(number, "")
        tab.click(f"{entry} .draw button")
        assert tab.evaluate("document.activeElement.matches(':invalid')")
        assert "pictures" not in dict(stage.studio.asked)


def checks(stage: Stage) -> None:
    """A check that was not made is not among those that found nothing wrong."""
    with stage.page() as tab:
        doctor(tab, stage.studio)
        folds = "[...document.querySelectorAll('#doctor-list > details')].map((one) => [one.firstChild.textContent, one.querySelectorAll('li').length])"  # noqa: E501 (a script)
        assert tab.evaluate(folds) == [
            ["2 checks that found nothing wrong", 2],
            ["1 check that was not made", 1],
        ]
        shown = "#doctor-list > .checks"
        assert tab.query_selector(f"{shown} [data-check=MOD001]") is None
        assert tab.query_selector(f"{shown} [data-check=ENV001]")


def shelves(stage: Stage) -> None:
    """Each folder of models is named, and what is wrong says what it is, why, and what helps."""
    with stage.page() as tab:
        library(tab, stage.studio)
        where = tab.eval_on_selector_all(
            "#library-list > p code", "all => all.map((one) => one.textContent)"
        )
        assert where[:2] == ["~/Library/Containers/Mochi/models", "~/models"]
        assert len(where) == 3
        sound, wrong = tab.query_selector_all("#library-list > ul > li")[:2]
        assert sound.query_selector(".findings") is None
        said = wrong.query_selector(".findings").inner_text()
        for words in ("vocab.json is missing", "stops when it loads it", "add the file", "--force"):
            assert words in said, said


def drawing(stage: Stage) -> None:
    """A model of the library draws: its picture appears there, with what it was drawn of."""
    wish = {"prompt": "a yellow star", "steps": 8, "seed": 7}
    with stage.page() as tab:
        library(tab, stage.studio)
        first = "#library-list .shelf > li >> nth=0"
        assert tab.evaluate("document.querySelectorAll('#library-list .draw').length") == 1
        tab.click(f"{first} >> summary")
        tab.fill(f"{first} >> .draw input[type=text]", "a yellow star")
        tab.fill(f"{first} >> .draw input[max='4294967295']", "7")
        tab.click(f"{first} >> .draw button")
        tab.wait_for_selector(f"{first} >> text=It is in the queue")
        assert stage.studio.asked[-1] == ("pictures", {**wish, "handle": "l1"})
        stage.studio.change(stage.studio.entries[0]["id"], **answers.DRAWN, drawn=wish)
        tab.wait_for_selector(f"{first} >> .sheet img[src]")
        assert "Seed\n7" in tab.inner_text(first)
        stage.judge(tab, "drawn")
        tab.fill(f"{first} >> .draw input[type=text]", "a purple heart")
        tab.click("#library-again")
        until(tab, "!document.querySelector('#library-list[aria-busy]')")
        assert tab.input_value(f"{first} >> .draw input[type=text]") == "a purple heart"
        assert tab.query_selector(f"{first} >> .sheet img[src]")
        tab.click(f"{first} >> .draw button")
        tab.wait_for_selector(f"{first} >> text=It is in the queue")
        number = stage.studio.entries[-1]["id"]
        stage.studio.act(number, "remove", {})
        until(tab, "!document.querySelector('#library-list').textContent.includes('It is in the')")
        tab.click("nav a[href='#/convert']")
        tab.wait_for_selector("#finished .sheet img[src]")
        assert "a yellow star" in tab.inner_text("#finished dl")


def fixing(stage: Stage) -> None:
    """A fix shows its command, runs in the queue, and then the same check looks again."""
    check = "[data-check=ENV001]"
    with stage.page() as tab:
        doctor(tab, stage.studio)
        assert tab.inner_text(f"{check} .command code") == "sdcoreml env"
        tab.click(f"{check} .fix > button")
        until(
            tab,
            "document.querySelector('[data-check=ENV001]').textContent.includes('in the queue')",
        )
        stage.studio.change(stage.studio.entries[0]["id"], state="done")
        tab.wait_for_selector(f"{check}.good")
        assert "53 packages" in tab.inner_text(check)

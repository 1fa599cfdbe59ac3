"""The window in another language: what a translator adds, and nothing English that is not data."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator
from typing import Any

from tests.browser.studio import answers
from tests.browser.studio.fake import Studio
from tests.browser.studio.looks import STATES, unfolded
from tests.browser.studio.stage import Stage
from tests.browser.studio.wire import PAGE

ACCENTED = str.maketrans(
    string.ascii_letters, "ȧƀƈḓḗƒɠħīĵķŀḿƞǿƥɋřşŧŭṽẇẋẏẑȦƁƇḒḖƑƓĦĪĴĶĿḾȠǾƤɊŘŞŦŬṼẆẊẎẐ"
)
ENGLISH = "footer"
"""A text that the language lacks."""

_KEPT = re.compile(r"(\{[^}]*\}|`[^`]*`)")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9'.-]*")
_READ = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.closest('noscript, pre')) found.push(node.data);
  }
  for (const name of ['aria-label', 'placeholder', 'title', 'alt']) {
    for (const node of document.querySelectorAll(`[${name}]`)) found.push(node.getAttribute(name));
  }
  return [...found, document.title];
}"""


def accent(text: Any) -> Any:
    """Return a text of the catalogue with every letter accented, but in values and commands."""
    if isinstance(text, dict):
        return {plural: accent(one) for plural, one in text.items()}
    parts = _KEPT.split(text)
    return "".join(
        part if place % 2 else part.translate(ACCENTED) for place, part in enumerate(parts)
    )


def translate(stage: Stage) -> None:
    """Add a language as a translator does: a file, and a line of the page that names it."""
    page, english = ((PAGE / name).read_text("utf-8") for name in ("index.html", "texts.en.json"))
    line = next(one for one in page.splitlines() if "hreflang" in one)
    texts = {key: accent(text) for key, text in json.loads(english).items() if key != ENGLISH}
    stage.server.files = {
        "index.html": page.replace(line, f"{line}\n{line.replace('en', 'eo')}").encode(),
        "texts.eo.json": json.dumps(texts).encode(),
    }


def data(studio: Studio) -> str:
    """Return all that the fake answers; what of it a true answer may have as English words is said
    in `tests/doctor/studio/test_wording.py`.
    """
    known = (answers.STATE, answers.FOLDERS, answers.MODELS, answers.LIBRARY, answers.VERDICTS)
    more = (answers.findings(set()), answers.plan({}), studio.entries)
    return json.dumps([*known, *more, "sdcoreml studio"], ensure_ascii=False).replace('\\"', '"')


def unaccented(tab: Any, studio: Studio) -> Iterator[str]:
    """Yield texts of the page that are neither translated nor data."""
    known = data(studio)
    words = set(_WORD.findall(known))
    accented = {letter.translate(ACCENTED) for letter in string.ascii_letters}
    for text in tab.evaluate(_READ):
        left = set(_WORD.findall(text))
        parts = re.split(r", | · |: ", text.strip())
        is_known = left <= words if accented & {*text} else all(part in known for part in parts)
        is_hostile = "alert(1)" in text or "&lt;" in text  # looked at in another scene
        if left and not (is_known or is_hostile):
            yield text


def translated(stage: Stage) -> None:
    """All is said in a language that has a catalogue; what that lacks is English, data stay."""
    english = json.loads((PAGE / "texts.en.json").read_text("utf-8"))[ENGLISH]
    translate(stage)
    with stage.page(locale="eo") as tab:
        assert tab.evaluate("document.documentElement.lang") == "eo"
        for name, prepare in STATES.items():
            prepare(tab, stage.studio)
            unfolded(tab, stage.studio)
            stage.judge(tab, f"translated-{name}", with_axe=False)
            left = [text for text in unaccented(tab, stage.studio) if text != english]
            assert left == [], f"{name}: {left}"
        assert tab.inner_text("footer").endswith(english)
        stage.server.stop()
        tab.wait_for_selector("[data-server=gone]")
        left = [text for text in unaccented(tab, stage.studio) if text != english]
        assert left == [], f"gone: {left}"
    stage.server.start()
    with stage.page(locale="fr") as tab:
        assert tab.evaluate("document.documentElement.lang") == "en"

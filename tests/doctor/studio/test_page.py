"""What can be said of the page without a browser; `make browser` says the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.wording import GROUPS
from tests.pages import Seen

PAGE = Path(__file__).resolve().parents[3] / "doctor" / "studio" / "page"
FILES = {path.name: path.read_text("utf-8") for path in sorted(PAGE.iterdir())}
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}
TEXTS = json.loads(FILES["texts.en.json"])


def test_the_whole_page_is_under_200_kb() -> None:
    assert sum(path.stat().st_size for path in PAGE.iterdir()) < 200_000


def test_nothing_is_asked_for_elsewhere() -> None:
    namespace = "http://www.w3.org/2000/svg"
    for name, text in FILES.items():
        code = re.sub(r"(^|\s)//.*$", "", text.replace(namespace, ""), flags=re.MULTILINE)
        assert "//" not in code, name


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_others_wrote_cannot_become_markup_or_code(name: str) -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc"
    assert not re.search(markup, SCRIPTS[name])
    assert not re.search(r"\beval\b|new Function|javascript:", SCRIPTS[name])
    assert not re.search(r"set(Timeout|Interval)\(\s*[\"'`]", SCRIPTS[name])


def test_the_markup_has_no_script_style_or_handler_of_its_own() -> None:
    page = Seen()
    page.feed(FILES["index.html"])
    assert not {one for one in page.attributes if one.startswith("on") or one == "style"}
    assert re.findall(r"<script[^>]*>[^<]", FILES["index.html"]) == []
    elsewhere = set(page.addresses) - {f"/page/{name}" for name in FILES}
    assert elsewhere == {"#main", "#/convert", "#/library", "#/doctor"}


def test_every_module_is_asked_for_at_once() -> None:
    early = set(re.findall(r'modulepreload" href="/page/(\w+\.js)"', FILES["index.html"]))
    assert early == set(SCRIPTS)


def said() -> Iterator[str]:
    """Yield the keys of the catalogue that the page names, whole."""
    for text in SCRIPTS.values():
        for call in re.findall(r"\b(?:say|tool)\(([^;]*)", text):
            yield from re.findall(r'"([a-z]+(?:\.[a-z]+)*)"', call)
        yield from re.findall(r'"(size\.[a-z]+)"', text)
    yield from re.findall(r'data-(?:say|label|hint)="([^"]+)"', FILES["index.html"])


def test_every_text_is_in_the_catalogue() -> None:
    called = {key for text in SCRIPTS.values() for key in re.findall(r'\bsay\("([^"]+)"', text)}
    called |= set(re.findall(r'data-(?:say|label|hint)="([^"]+)"', FILES["index.html"]))
    assert sorted(called - TEXTS.keys()) == []


def test_every_text_of_the_catalogue_is_shown_somewhere() -> None:
    stems = {stem for text in SCRIPTS.values() for stem in re.findall(r"`([a-z]+\.)\$\{", text)}
    stems |= {
        f"{kind}." for text in SCRIPTS.values() for kind in re.findall(r'badge\("(\w+)"', text)
    }
    tails = {tail for text in SCRIPTS.values() for tail in re.findall(r"\}(\.[a-z]+)`", text)}
    whole = set(said())
    unused = [
        key
        for key in TEXTS
        if key not in whole | {"language"}
        and key.removesuffix(".mac") not in whole
        and not key.startswith(tuple(stems))
        and not (key.endswith(tuple(tails)) and key.split(".")[0] in {"gone", "stranger"})
    ]
    assert unused == []


def test_no_group_is_called_like_the_fold_that_it_is_in() -> None:
    folds = (TEXTS["choices.extras"], TEXTS["choices.more"])
    assert [one.title for one in GROUPS.values() if any(map(one.title.__eq__, folds))] == []
    assert not folds[1].startswith(GROUPS["more"].title)


def test_no_word_stands_in_a_script() -> None:
    """A sentence in a script would be one that nobody can translate."""
    for name, text in SCRIPTS.items():
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        code = re.sub(r"//.*$", "", code, flags=re.MULTILINE)
        assert re.findall(r'"([A-Z][a-z]+ [a-z][^"]*)"', code) == [], name

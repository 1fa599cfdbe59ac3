"""What can be said of the page without a browser; `make browser` says the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdcoreml.convert.models.files import SUFFIXES
from sdcoreml.doctor.studio.dropped import MOST_FILES
from sdcoreml.doctor.studio.dropped import TEXTS as TEXT_SUFFIXES
from tests.doctor.studio.test_wording import choices, keys_said, matches
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


LANGUAGES = re.findall(r'hreflang="([\w-]+)" href="/page/(\S+)"', FILES["index.html"])


def test_each_language_is_a_file_and_a_line_of_the_page() -> None:
    assert LANGUAGES[0] == ("en", "texts.en.json")
    assert {name for _, name in LANGUAGES} == {one for one in FILES if one.startswith("texts.")} - {
        "texts.js"
    }
    assert all(name == f"texts.{language}.json" for language, name in LANGUAGES)


@pytest.mark.parametrize("name", [name for _, name in LANGUAGES])
def test_a_language_has_no_text_that_english_lacks_and_the_same_values(name: str) -> None:
    for key, text in json.loads(FILES[name]).items():
        assert _values(text) == _values(TEXTS[key]), key


def _values(text: str | dict[str, str]) -> set[str]:
    """Return the values of a text; its plurals may leave the count out."""
    whole = text if isinstance(text, str) else " ".join(text.values())
    return set(re.findall(r"\{[^}]*\}", whole))


FORMS = set(re.findall(r"FORMS = \{ ([\w, ]+) \}", SCRIPTS["texts.js"])[0].split(", "))


def test_every_form_of_a_value_is_one_that_the_page_knows() -> None:
    assert set(re.findall(r"\|(\w+)\}", FILES["texts.en.json"])) == FORMS


def said() -> Iterator[str]:
    """Yield the keys of the catalogue that the page and the server name; `*` stands for any."""
    for text in SCRIPTS.values():
        for call in re.findall(r"\b(?:say|tool)\(([^;]*)", text):
            yield from re.findall(r'"([a-z]+(?:\.[a-z]+)*)"', call)
        yield from re.findall(r'"(size\.[a-z]+)"', text)
        for kind in re.findall(r'badge\("(\w+)"', text):
            yield f"{kind}.*"
        for whole in re.findall(r"say\(`([^`]*)`", text):
            yield re.sub(r"\$\{[^}]*\}", "*", whole)
    yield from re.findall(r'data-(?:say|label|hint)="([^"]+)"', FILES["index.html"])
    yield from keys_said()
    yield from (key for pair in choices() for key in pair)


def test_every_text_is_in_the_catalogue() -> None:
    called = {key for text in SCRIPTS.values() for key in re.findall(r'\bsay\("([^"]+)"', text)}
    called |= set(re.findall(r'data-(?:say|label|hint)="([^"]+)"', FILES["index.html"]))
    assert sorted(called - TEXTS.keys()) == []


def test_every_text_of_the_catalogue_is_shown_somewhere() -> None:
    shown = {one for key in said() for one in matches(key)}
    assert [key for key in TEXTS if key.removesuffix(".mac") not in shown] == []


def test_the_page_lists_of_a_dropped_folder_what_the_server_can_want() -> None:
    suffixes = re.findall(r"COUNTED = /\\\.\(([\w|]+)\)\$/i", SCRIPTS["drop.js"])[0]
    assert {f".{one}" for one in suffixes.split("|")} == SUFFIXES | TEXT_SUFFIXES
    assert re.findall(r"MOST_FILES = (\d+)", SCRIPTS["drop.js"]) == [f"{MOST_FILES}"]


def test_no_word_stands_in_a_script() -> None:
    """A sentence in a script would be one that nobody can translate."""
    for name, text in SCRIPTS.items():
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        code = re.sub(r"//.*$", "", code, flags=re.MULTILINE)
        assert re.findall(r'"([A-Z][a-z]+ [a-z][^"]*)"', code) == [], name

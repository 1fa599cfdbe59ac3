from __future__ import annotations

import pytest

from sdcoreml.ground.markup import Markup, code, cut, element, escape, join, link, prose

HOSTILE = "</style><script>alert(1)</script>\"' onload=x &\x1b[2J\u202e\udcff\x00"


def test_text_and_attributes_are_escaped() -> None:
    made = element("p", HOSTILE, title=HOSTILE).source
    assert made.count("<") == made.count(">") == 2
    assert "&lt;script&gt;" in made
    assert "&quot;&#39; onload=x &amp;" in made
    assert not {*made} & {"\x1b", "\u202e", "\udcff", "\x00"}
    assert made.encode()


def test_what_is_markup_already_stays() -> None:
    inner = element("b", "a<b")
    assert element("p", "x ", inner, lang="en") == Markup('<p lang="en">x <b>a&lt;b</b></p>')
    assert join("<", inner).source == "&lt;<b>a&lt;b</b>"


def test_attributes_are_spelt_as_in_html_and_may_be_left_out() -> None:
    made = element(
        "svg", class_="bar", aria_hidden="true", view_box="0 0 1 1", x=None, open=True, hidden=False
    )
    assert made.source == '<svg class="bar" aria-hidden="true" viewBox="0 0 1 1" open></svg>'
    assert (
        element("rect", x=1 / 3, y=2, name="a").source == '<rect x="0.333" y="2" name="a"></rect>'
    )
    assert element("br").source == "<br>"


@pytest.mark.parametrize("name", ["", "a b", "p>", "1", "a\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of an element"):
        element(name)


@pytest.mark.parametrize("name", ["onclick", "on_load", "a b", "x="])
def test_an_attribute_that_runs_something_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of an attribute"):
        element("p", **{name: "x"})


@pytest.mark.parametrize(
    "address", ["javascript:x", "http://a", "data:text/html,x", "//a", "", " #a"]
)
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not an address for a page"):
        element("a", "x", href=address)


def test_only_an_address_of_the_web_is_a_link() -> None:
    assert link("https://example.org/a?b=c&d").source == (
        '<a href="https://example.org/a?b=c&amp;d" rel="noreferrer">'
        "https://example.org/a?b=c&amp;d</a>"
    )
    assert link("javascript:alert(1)").source == "javascript:alert(1)"
    assert link('https://a"><script>').source == "https://a&quot;&gt;&lt;script&gt;"


def test_a_text_of_millions_of_letters_is_cut_in_its_middle() -> None:
    assert cut("abcdef", 4) == "ab … ef"
    assert cut("abcd", 4) == "abcd"
    assert len(element("p", "x" * 10**6).source) < 2_100


def test_what_stands_in_backticks_is_code() -> None:
    assert prose("a `b<` c").source == "a <code>b&lt;</code> c"
    assert prose("a ` b").source == "a ` b"


def test_ordinary_letters_of_all_scripts_stay() -> None:
    assert escape("Größe 猫 é") == "Größe 猫 é"


def test_what_may_stand_where() -> None:
    assert element("img", "x", src="data:image/png;base64,AA").source == (
        '<img src="data:image/png;base64,AA">'
    )
    assert element("a", class_="b", aspect="none", x_=True).source == (
        '<a class="b" preserveAspectRatio="none" x></a>'
    )
    assert element("p", x=1.23456, y=0.0004, z=1e9).source == '<p x="1.235" y="0" z="1e+09"></p>'
    with pytest.raises(ValueError, match=r"^not an address for a page: 'x{40} … x{40}'$"):
        element("a", href="x" * 81)
    assert cut("abcde", 4) == "ab … de"
    assert len(cut("x" * 2_001)) == 2_003
    assert cut("x" * 2_000) == "x" * 2_000
    assert escape("\ufffe") == "\\ufffe"
    assert code("a<").source == "<code>a&lt;</code>"
    assert str(code("b")) == "<code>b</code>"
    assert prose("`a` b `c`").source == "<code>a</code> b <code>c</code>"

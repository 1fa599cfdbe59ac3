from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

from sdcoreml.ground import page
from sdcoreml.ground.markup import join
from sdcoreml.ground.page import (
    HEAD,
    Column,
    Page,
    Section,
    facts,
    folded,
    heading,
    listing,
    paragraph,
    steps,
    table,
    verdicts,
)

PAGE = Page(
    kind="a kind",
    title="A <title>",
    lead=("one", "two"),
    sections=tuple(
        Section(key=key, title=f"Part {key}", content=(paragraph("`x` and y"),)) for key in "abcd"
    ),
    foot=("the end",),
)


def test_a_page_has_landmarks_headings_and_a_policy_that_forbids_everything() -> None:
    encoded = PAGE.encode()
    text = encoded.decode()
    assert encoded.startswith(HEAD)
    assert '<html lang="en">' in text
    assert "<title>A &lt;title&gt; · a kind</title>" in text
    for mark in ("<header>", "<main ", "<footer>", 'aria-label="Contents"', 'href="#content"'):
        assert text.count(mark) == 1, mark
    assert text.count('<section id="a" aria-labelledby="a-title"><h2 id="a-title">Part a</h2>') == 1
    assert "default-src &#39;none&#39;" in text
    assert "<script" not in text
    assert PAGE.encode() == encoded


def test_a_section_without_content_is_left_out_and_few_need_no_list() -> None:
    empty = Section(key="z", title="Nothing", content=())
    text = Page(kind="", title="x", lead=(), sections=(empty, PAGE.sections[0])).encode().decode()
    assert "Nothing" not in text
    assert "<nav" not in text


def test_a_table_has_a_caption_and_scopes() -> None:
    columns = (Column(title="Name"), Column(title="Size", kind="number"))
    made = table("All <sizes>", columns, [("a&b", "1")]).source
    assert "<caption>All &lt;sizes&gt;</caption>" in made
    assert '<th scope="col">Name</th><th scope="col" class="number">Size</th>' in made
    assert '<tr><th scope="row">a&amp;b</th><td class="number">1</td></tr>' in made
    assert table("Empty", columns, []) == join()


def test_a_table_of_a_million_rows_is_cut_and_says_so() -> None:
    made = table(
        "Long", (Column(title="Name"),), ((f"{number}",) for number in range(10**5))
    ).source
    assert made.count("<tr>") == 1_201
    assert "and 98,800 more" in made


def test_a_table_of_long_rows_is_cut_by_its_size() -> None:
    rows = (("a" * 390,) * 3 for _ in range(1_000))
    text = table("All", (Column(title="Name"),) * 3, rows).source
    assert 200_000 < len(text) < 204_000
    assert f"and {1_001 - text.count('<tr>')} more" in text


def test_lists_escape_their_text() -> None:
    assert facts((("a<", "b<"), ("gone", ""))).source == (
        "<dl><div><dt>a&lt;</dt><dd>b&lt;</dd></div></dl>"
    )
    assert verdicts([("good", "proved", "x < `y`")]).source == (
        '<ul class="verdicts"><li><strong class="word good">proved</strong>'
        "<span>x &lt; <code>y</code></span></li></ul>"
    )
    assert steps(["a<"]).source == "<ol><li>a&lt;</li></ol>"
    assert listing("a", "b <c>").source == '<pre tabindex="0"><code>a\nb &lt;c&gt;</code></pre>'
    assert folded("a<", join("b")).source == "<details><summary>a&lt;</summary>b</details>"


def test_lines_to_paste_are_whole() -> None:
    lines = [f"sdcoreml verify {letter * 1500}" for letter in "ab"]
    assert all(line in str(listing(*lines)) for line in lines)


def test_a_long_list_of_verdicts_says_how_many_are_left_out() -> None:
    found = str(verdicts(("note", "Note", f"{number}") for number in range(100)))
    assert found.count("<li>") == 61
    assert "and 40 more" in found


SECTION = (
    '\n<section id="{0}" aria-labelledby="{0}-title"><h2 id="{0}-title">Part {0}</h2>'
    "<p><code>x</code> and y</p></section>"
)


def test_a_whole_page() -> None:
    style = Path(page.__file__).with_name("page.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    quoted = "&#39;none&#39;"
    policy = (
        f"default-src {quoted}; base-uri {quoted}; form-action {quoted};"
        f" style-src &#39;sha256-{digest}&#39;; img-src data:"
    )
    links = "".join(f'<li><a href="#{key}">Part {key}</a></li>' for key in "abcd")
    assert PAGE.encode().decode() == (
        "<!doctype html>\n<!-- made by sdcoreml -->\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>A &lt;title&gt; · a kind</title><style>{style}</style></head><body>"
        '<a class="skip" href="#content">Skip to the content</a>'
        '<header><p class="kind">a kind</p><h1>A &lt;title&gt;</h1>'
        '<p class="lead">one</p><p class="lead">two</p></header>'
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>'
        f'<main id="content">{"".join(map(SECTION.format, "abcd"))}</main>'
        "<footer><p>the end</p></footer></body></html>\n"
    )
    three = replace(PAGE, sections=PAGE.sections[:3])
    assert b"<nav" not in three.encode()


def test_a_whole_table() -> None:
    columns = (Column(title="Name", kind="long"), Column(title="Size"))
    assert table("All <sizes>", columns, [("a" * 401, join("b"))]).source == (
        '<div class="wide" role="group" aria-label="All &lt;sizes&gt;" tabindex="0"><table>'
        "<caption>All &lt;sizes&gt;</caption>"
        '<thead><tr><th scope="col" class="long">Name</th><th scope="col">Size</th></tr></thead>'
        f'<tbody><tr><th scope="row" class="long">{"a" * 200} … {"a" * 200}</th><td>b</td></tr>'
        "</tbody></table></div>"
    )
    whole = table("All", columns, [("a" * 400, "b")] * 2).source
    assert "a" * 400 in whole
    one = (Column(title="Name"),)
    assert "more" not in table("All", one, [("a",)] * 1_200).source
    assert table("All", one, [("a",)] * 1_201).source.endswith("</div><p>and 1 more</p>")


def test_small_parts() -> None:
    assert paragraph("a `b`", join("c"), class_="x").source == (
        '<p class="x">a <code>b</code>c</p>'
    )
    assert heading("a<").source == "<h3>a&lt;</h3>"
    assert steps([join("a"), "`b`"]).source == "<ol><li>a</li><li><code>b</code></li></ol>"
    assert listing("a").source == '<pre tabindex="0"><code>a</code></pre>'


def test_verdicts_at_their_borders() -> None:
    long = verdicts([("bad", "Bad", "x" * 401), ("open", "Open", join("y"))]).source
    assert long == (
        '<ul class="verdicts"><li><strong class="word bad">Bad</strong>'
        f"<span>{'x' * 200} … {'x' * 200}</span></li>"
        '<li><strong class="word open">Open</strong><span>y</span></li></ul>'
    )
    assert "more" not in verdicts([("note", "Note", "x")] * 60).source
    assert verdicts([("note", "Note", "x")] * 61).source.endswith("<li>and 1 more</li></ul>")

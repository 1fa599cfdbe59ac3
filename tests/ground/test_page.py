from __future__ import annotations

from sdcoreml.ground.markup import join
from sdcoreml.ground.page import (
    HEAD,
    Column,
    Page,
    Section,
    facts,
    folded,
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
    page = PAGE.encode()
    text = page.decode()
    assert page.startswith(HEAD)
    assert '<html lang="en">' in text
    assert "<title>A &lt;title&gt; · a kind</title>" in text
    for mark in ("<header>", "<main ", "<footer>", 'aria-label="Contents"', 'href="#content"'):
        assert text.count(mark) == 1, mark
    assert text.count('<section id="a" aria-labelledby="a-title"><h2 id="a-title">Part a</h2>') == 1
    assert "default-src &#39;none&#39;" in text
    assert "<script" not in text
    assert PAGE.encode() == page


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

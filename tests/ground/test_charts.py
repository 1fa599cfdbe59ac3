from __future__ import annotations

import re

from sdcoreml.ground.charts import Stick, bar, legend, sticks
from sdcoreml.ground.markup import cut


def numbers(markup: object, tone: str) -> list[float]:
    found = re.search(rf'<rect class="{tone}" x="(\S+)" y="\S+" width="(\S+)"', str(markup))
    assert found
    return [float(found[1]), float(found[2])]


def test_a_bar_is_as_long_as_its_value_and_marks_its_floor() -> None:
    made = bar(80, 160, floor=40)
    assert numbers(made, "value") == [0, 50]
    assert numbers(made, "floor") == [25, 1]
    assert 'aria-hidden="true"' in made.source
    assert "floor" not in bar(80, 160).source
    assert numbers(bar(1, 2, tone="bad"), "value bad") == [0, 50]


def test_a_bar_stays_on_its_scale() -> None:
    assert numbers(bar(999, 160, 500), "value") == [0, 100]
    assert numbers(bar(999, 160, 500), "floor") == [99, 1]
    assert numbers(bar(-5, 160), "value") == [0, 0]
    assert numbers(bar(5, 0), "value") == [0, 0]


def test_sticks_say_in_words_what_they_show() -> None:
    found = [Stick(height=0.5, tone="q4", name="a<"), Stick(height=2, tone="q8", name="b")]
    made = sticks("k", "A title", "4, 8", found, 4).source
    assert '<title id="k-title">A title</title><desc id="k-text">4, 8</desc>' in made
    assert 'role="img" aria-labelledby="k-title" aria-describedby="k-text"' in made
    assert "<title>a&lt;</title></rect>" in made
    assert 'class="q4" x="0" y="5" width="0.86" height="5"' in made
    assert 'class="q8" x="1" y="0" width="0.86" height="10"' in made
    assert 'viewBox="0 0 4 10"' in made


def test_columns_have_gaps_until_they_are_many() -> None:
    found = [Stick(height=1, tone="q4", name="a")]
    assert 'viewBox="0 0 1 10"' in sticks("k", "t", "d", [], 0).source
    assert 'width="0.86"' in sticks("k", "t", "d", found, 199).source
    assert 'width="1"' in sticks("k", "t", "d", found, 200).source


def test_a_legend_names_each_colour() -> None:
    made = legend([("q4", "4 bits")]).source
    assert '<rect class="q4"' in made
    assert made.endswith("</svg>4 bits</li></ul>")


def test_a_whole_bar() -> None:
    assert bar(80, 160, floor=40, tone="bad").source == (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"'
        ' focusable="false">'
        '<rect class="track" x="0" y="3" width="100" height="4"></rect>'
        '<rect class="value bad" x="0" y="2" width="50" height="6"></rect>'
        '<rect class="floor" x="25" y="0" width="1" height="10"></rect></svg>'
    )


def test_whole_sticks() -> None:
    found = [Stick(height=-1, tone="q4", name="a" * 121), Stick(height=0.25, tone="q8", name="b")]
    assert sticks("k", "A title", "4, 8", found, 4).source == (
        '<svg class="sticks" viewBox="0 0 4 10" preserveAspectRatio="none" role="img"'
        ' aria-labelledby="k-title" aria-describedby="k-text">'
        '<title id="k-title">A title</title><desc id="k-text">4, 8</desc>'
        '<rect class="q4" x="0" y="10" width="0.86" height="0">'
        f"<title>{cut('a' * 121, 120)}</title></rect>"
        '<rect class="q8" x="1" y="7.5" width="0.86" height="2.5"><title>b</title></rect></svg>'
    )


def test_a_whole_legend() -> None:
    assert legend([("q4", "4 bits"), ("q8", "8 bits")]).source == (
        '<ul class="legend">'
        '<li><svg viewBox="0 0 10 10" aria-hidden="true" focusable="false">'
        '<rect class="q4" x="0" y="0" width="10" height="10"></rect></svg>4 bits</li>'
        '<li><svg viewBox="0 0 10 10" aria-hidden="true" focusable="false">'
        '<rect class="q8" x="0" y="0" width="10" height="10"></rect></svg>8 bits</li></ul>'
    )

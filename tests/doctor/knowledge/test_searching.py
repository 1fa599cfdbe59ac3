"""Of a match over several lines, the line that decides is told, if it is one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.knowledge import read
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.needs import make_sieve
from sdcoreml.doctor.knowledge.searching import View
from sdcoreml.doctor.knowledge.structure import find_structure

ENTRY = """
[[entry]]
id = "a"
role = "cause"
pattern = {pattern}
example = "x"
cause = "A."
fix = "B."
checks = []
seen = []
"""
CHANGED = "painter needs ink"
LIST = r"""['The colours:\n(?:[^\n]*\n){0,3}?(?P<said>painter needs \w+)[^\n]*(?:\n[^\n]+)*']"""
SAME = r"""['(?P<said>\w+) wants (?P<need>\w+) and (?P=said) has', '(?P<need>\w+), (?P=need)\b']"""


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (("The colours:", CHANGED, "error: no ink", "the end"), 3),
        (("The colours:", "none", CHANGED, "the end"), 1),
        (("The colours:", "none", CHANGED, "", "error: no ink"), 1),
    ],
)
def test_the_line_that_decides_is_told_of_several(
    texts: tuple[str, ...], line: int, tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(ENTRY.replace("{pattern}", LIST))
    lines = [Line(number=at, text=text) for at, text in enumerate(texts, start=1)]
    entry = read(path)[0]
    found = View(lines, find_structure(lines), make_sieve((entry.pattern,))).find(entry)
    assert found is not None
    assert (found.line.number, found.captured["said"]) == (line, CHANGED)


def test_what_a_traceback_shows_before_its_exception_does_not_become_the_exception(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(ENTRY.replace("{pattern}", r"""['def f[^\n]*\nTypeError: \w+']"""))
    texts = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "    def f():"]
    lines = [Line(number=at, text=text) for at, text in enumerate([*texts, "TypeError: a"], 1)]
    entry = read(path)[0]
    found = View(lines, find_structure(lines), make_sieve((entry.pattern,))).find(entry)
    assert found is not None
    assert found.line.number == 3


def test_a_pattern_may_say_which_part_of_several_lines_tells(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(ENTRY.replace("{pattern}", r"""['def f[^\n]*\n(?P<tells>TypeError: \w+)']"""))
    texts = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "    def f():"]
    lines = [Line(number=at, text=text) for at, text in enumerate([*texts, "TypeError: a"], 1)]
    entry = read(path)[0]
    found = View(lines, find_structure(lines), make_sieve((entry.pattern,))).find(entry)
    assert found is not None
    assert (found.line.number, found.line.text) == (4, "TypeError: a")


@pytest.mark.parametrize(
    ("text", "captured"),
    [
        ("ink wants paper and ink has", {"said": "ink", "need": "paper"}),
        ("ink wants paper and pen has", None),
        ("pen, pen", {"need": "pen"}),
        ("pen, ink", None),
    ],
)
def test_a_wording_may_refer_back_to_its_own_groups(
    text: str, captured: dict[str, str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(ENTRY.replace("{pattern}", SAME))
    lines = [Line(number=1, text=text)]
    entry = read(path)[0]
    found = View(lines, find_structure(lines), make_sieve((entry.pattern,))).find(entry)
    assert (found and dict(found.captured)) == captured

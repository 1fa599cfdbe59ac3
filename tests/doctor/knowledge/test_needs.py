"""What a pattern needs is known without the pattern, so that few patterns are searched for."""

from __future__ import annotations

import re

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.needs import can_match, find_needs


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("paint(?:er)? wants", [["paint"], [" wants"]]),
        ("colou?rs?", [["colo"]]),
        ("inks+ dry", [["inks"], [" dry"]]),
        ("inks{0,2} dry", [["ink"], [" dry"]]),
        (r"[Pp]aint\.py\n", [["paint.py"]]),
        (r"\x41bcd\tefg", [["bcd"], ["efg"]]),
        ("(?P<a>red|green) ink", [["green", "red"], [" ink"]]),
        (r"(?:red|\w+) ink", [[" ink"]]),
        ("(?!red)(?<!green)ink(?=[^\n]* dry)", [["ink"], [" dry"]]),
        ("(?P<a>ink)? (?(a)dry|wet)end", [["end"]]),
        ("(?i:Ink) [)|(]dry", [["ink"], ["dry"]]),
    ],
)
def test_the_words_that_every_match_has_are_found(pattern: str, words: list[list[str]]) -> None:
    re.compile(pattern)
    (found,) = find_needs(pattern)
    assert [sorted(clause) for clause in found] == words


def test_each_wording_has_needs_of_its_own() -> None:
    needs = find_needs("red ink|(?:wet) paint")
    assert can_match(needs, "red ink".__contains__)
    assert can_match(needs, "wet paint".__contains__)
    assert not can_match(needs, "red paint".__contains__)


def test_what_needs_nothing_may_match_anything() -> None:
    assert can_match(find_needs(r"\w+|paint"), "".__contains__)


def test_each_pattern_may_match_its_example() -> None:
    known = [(find_needs(one.pattern), one.example.lower()) for one in entries()]
    assert all(can_match(needs, example.__contains__) for needs, example in known)


@pytest.mark.parametrize(
    "line",
    [
        "copying paint.py -> build/lib.linux-aarch64-3.9/painter",
        "Skipping link: painter-win32.whl not compatible",
        "ld: warning: ignoring file liba.dylib, building for macOS-arm64",
        "npm ERR! code ERESOLVE",
    ],
)
def test_for_a_line_that_repeats_next_to_no_pattern_is_searched(line: str) -> None:
    text = line.lower()
    searched = [
        one.id for one in entries() if can_match(find_needs(one.pattern), text.__contains__)
    ]
    assert len(searched) < 40
    assert "no-wheel-for-linux-on-arm" not in searched

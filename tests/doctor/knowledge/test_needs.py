"""What a pattern needs is known without the pattern, so that few patterns are searched for."""

from __future__ import annotations

import re

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.needs import Sieve, find_needs, make_sieve


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
    pattern = "red ink|(?:wet) paint"
    sieve = Sieve([pattern])
    assert sieve.keep("red ink".__contains__) == {pattern}
    assert sieve.keep("wet paint".__contains__) == {pattern}
    assert sieve.keep("red paint".__contains__) == set()


def test_what_needs_nothing_may_match_anything() -> None:
    assert Sieve([r"\w+|paint", "ink"]).keep("".__contains__) == {r"\w+|paint"}


def test_of_several_patterns_those_are_kept_whose_words_are_all_there() -> None:
    patterns = ("ink on paper", "(?:red|green) ink [a-z]+ paper", "ink.*(?:wood|stone)", "paint")
    sieve = make_sieve(patterns)
    assert sieve is make_sieve(patterns)
    assert sieve.keep("green ink and paper".__contains__) == {patterns[1]}
    assert sieve.keep("ink on paper, on stone".__contains__) == {patterns[0], patterns[2]}
    assert sieve.keep("".__contains__) == set()


def test_each_pattern_may_match_its_example() -> None:
    sieve = make_sieve(tuple(one.pattern for one in entries()))
    kept = {one.id: sieve.keep(one.example.lower().__contains__) for one in entries()}
    assert [one.id for one in entries() if one.pattern not in kept[one.id]] == []


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
    sieve = make_sieve(tuple(one.pattern for one in entries()))
    kept = sieve.keep(line.lower().__contains__)
    searched = [one.id for one in entries() if one.pattern in kept]
    assert len(searched) < 40
    assert "no-wheel-for-linux-on-arm" not in searched

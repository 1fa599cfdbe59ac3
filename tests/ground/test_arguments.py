from __future__ import annotations

import argparse

import pytest

from sdcoreml.ground.arguments import Parser, options_of, suggest


@pytest.fixture
def parser() -> Parser:
    """Return a parser with an option of its own, and a verb that has one."""
    made = Parser(prog="tool")
    made.add_argument("--quiet", "-q", action="store_true")
    made.add_argument("--verb-free")
    verb = made.add_subparsers(dest="verb").add_parser("make")
    verb.add_argument("--size")
    return made


def test_all_options_are_known_those_of_verbs_too(parser: Parser) -> None:
    assert [*options_of(parser)] == [
        *("-h", "--help", "--quiet", "-q", "--verb-free"),
        *("-h", "--help", "--size"),
    ]


def test_what_is_known_is_parsed(parser: Parser) -> None:
    found = parser.parse_or_suggest(["-q", "make", "--size", "9"])
    assert found == argparse.Namespace(quiet=True, verb_free=None, verb="make", size="9")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--quite"], "unrecognized arguments: --quite; did you mean --quiet?"),
        (["make", "--sizes=9", "x"], "unrecognized arguments: --sizes=9 x; did you mean --size?"),
        (["--zzz"], "unrecognized arguments: --zzz"),
        (["--size"], "unrecognized arguments: --size; did you mean --size?"),
        (["--verb-free"], "argument --verb-free: expected one argument"),
        (["-q", "--zz\nz"], r"unrecognized arguments: --zz\nz"),
    ],
)
def test_an_error_is_one_line_with_the_nearest_option(
    parser: Parser, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        parser.parse_or_suggest(words)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"error: {said}; `tool --help` shows what it takes\n"


def test_the_nearest_word_is_suggested_or_none() -> None:
    assert suggest("sizes", ["colour", "size"]) == "did you mean size?"
    assert suggest("sizes", ["colour"]) == ""

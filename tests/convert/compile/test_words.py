from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.compile.words import Cursor, TextError, split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t", []),
        ("a_1 = f(x = b@2)", ["a_1", "=", "f", "(", "x", "=", "b@2", ")"]),
        ("tensor<fp16, [1, ?]> x", ["tensor<fp16, [1, ?]>", "x"]),
        ("list<tensor<int32, [2]>, ?>", ["list", "<", "tensor<int32, [2]>", ",", "?", ">"]),
        ("} -> (y);", ["}", "->", "(", "y", ")", ";"]),
        ('("a, b" , "")', ["(", '"a, b"', ",", '""', ")"]),
        ("[-0x1.8p-3, 0x1p+0, -inf, nan, -7, 1.0]".replace(",", ""), None),
        ('"open', ['"', "open"]),
        ("a€b", ["a", "€", "b"]),
    ],
)
def test_words(text: str, expected: list[str] | None) -> None:
    if expected is None:
        expected = ["[", "-0x1.8p-3", "0x1p+0", "-inf", "nan", "-7", "1.0", "]"]
    assert split(text) == expected


@given(st.text())
def test_nothing_but_white_space_is_lost(text: str) -> None:
    words = "".join(split(text))
    assert "".join(words.split()) == "".join(text.split())


def test_a_cursor_passes_over_words() -> None:
    cursor = Cursor(text="( name 12 ) ;")
    assert (cursor.next, cursor.second) == ("(", "name")
    assert cursor.skip("(")
    assert not cursor.skip("(")
    assert cursor.name() == "name"
    assert cursor.number() == 12
    cursor.expect(")", ";")
    assert cursor.next == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\n x", r"line 3: expected '\(', found 'x'"),
        ("(\n", r"line 2: expected a name, found ''"),
        ("(\n\n12", r"line 3: expected a name, found '12'"),
        ("( a " + "9" * 20, r"line 1: expected a number, found '9+'"),
        ("( a b", r"line 1: expected a number, found 'b'"),
    ],
)
def test_faults_name_the_line_and_the_word(text: str, message: str) -> None:
    cursor = Cursor(text=text)
    with pytest.raises(TextError, match=message):
        cursor.expect("(")
        cursor.name()
        cursor.number()


def test_a_text_may_not_end_within() -> None:
    with pytest.raises(TextError, match="line 1: the text ends too early"):
        Cursor(text="").take()

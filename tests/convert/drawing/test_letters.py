from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.drawing.letters import split_letters


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("", []),
        ("cat", ["c", "a", "t"]),
        ("e\u0301t\u0302\u0303", ["e\u0301", "t\u0302\u0303"]),
        ("a\r\n\tb", ["a", "\r\n", "\t", "b"]),
        ("zero\u200bwidth", [*"zero", "\u200b", *"width"]),
        ("बिल्ली चाँद", ["बि", "ल्ली", " ", "चाँ", "द"]),
        ("가각\u1100\u1161\u11a8", ["가", "각", "\u1100\u1161\u11a8"]),
        ("👍🏽👩‍👩‍👧☕️", ["👍🏽", "👩‍👩‍👧", "☕️"]),
        ("❤️‍🔥a‍b", ["❤️‍🔥", "a‍", "b"]),
        ("🇩🇪🇫🇷🇮", ["🇩🇪", "🇫🇷", "🇮"]),
        ("猫。", ["猫", "。"]),
    ],
)
def test_letters_are_what_people_see_as_one(text: str, letters: list[str]) -> None:
    assert split_letters(text) == letters


@given(st.text())
def test_nothing_is_lost(text: str) -> None:
    assert "".join(split_letters(text)) == text

"""No sentence with an empty value is ever printed, whatever a pattern captured."""

from __future__ import annotations

import re

import pytest

from sdcoreml.doctor.knowledge import Failure, entries, fill

GAPS = (
    r"  |\s[,.;:)](?:\s|$)|\(\s*\)|''|\"\"|``",
    r"\b(?:for|of|to|than|with|by|in|on|from|since|is|named|called|the|an?|needs?|and)[,.;:)]\B",
    r"^[,.;:]|\{|\}",
)
"""What a sentence looks like in which a value is missing."""

_PLACE = re.compile(r"\{(\w+)")
_OTHER = re.compile(r"\|([^{}]*)\}")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_no_value_that_is_missing_leaves_a_gap(entry: Failure) -> None:
    for text in (entry.cause, entry.fix):
        names = [*dict.fromkeys(_PLACE.findall(text))]
        # What is said in a value's place may end with such a word itself.
        others = "".join(f" {other}." for other in _OTHER.findall(text))
        whole = fill(text, dict.fromkeys(names, "frob 1.2")) + others
        for missing in (names, *([name] for name in names)):
            for nothing in ({}, dict.fromkeys(missing, ""), dict.fromkeys(missing, " - ")):
                given = {name: "frob 1.2" for name in names if name not in missing} | nothing
                told = fill(text, given)
                assert [_count(gap, told) <= _count(gap, whole) for gap in GAPS] == [True] * 3, told


def _count(gap: str, text: str) -> int:
    return len(re.findall(gap, text))


@pytest.mark.parametrize(
    ("text", "captured", "told"),
    [
        ("No {what|oven}.", {"what": "coal"}, "No coal."),
        ("No {what|oven}.", {}, "No oven."),
        ("No {what|oven}.", {"what": ""}, "No oven."),
        ("No {what|oven}.", {"what": " >= "}, "No oven."),
        ("For this {what|}, but no other {one|}.", {}, "For this, but no other."),
        ("Of two ({pair|}) one.", {}, "Of two one."),
        ("Set CMAKE<4 or .venv/bin", {}, "Set CMAKE<4 or .venv/bin"),
    ],
)
def test_what_was_captured_is_put_in_its_place(
    text: str, captured: dict[str, str], told: str
) -> None:
    assert fill(text, captured) == told

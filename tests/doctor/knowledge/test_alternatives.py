from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.alternatives import split


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("a", ("a",)),
        ("a|b", ("a", "b")),
        ("(?:a|b)c|d", ("(?:a|b)c", "d")),
        (r"a\|b|c", (r"a\|b", "c")),
        (r"[|(]a|[^]|]b|[\]|]c", ("[|(]a", "[^]|]b", r"[\]|]c")),
        (r"\(a|b\)", (r"\(a", r"b\)")),
        ("(a(b|c)|d)|", ("(a(b|c)|d)", "")),
        ("(?i)a|b", ("(?i)a|b",)),
        ("(?i:a|b)|c", ("(?i:a|b)", "c")),
        ("", ("",)),
    ],
)
def test_a_pattern_is_split_at_the_bars_outside_of_its_groups(
    pattern: str, parts: tuple[str, ...]
) -> None:
    assert split(pattern) == parts

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.cleaning import clean

ERROR = "ImportError: cannot import name 'x' from 'y'"


@pytest.mark.parametrize(
    "line",
    [
        ERROR,
        f"\x1b[1;31m{ERROR}\x1b[0m",
        f"^[[31m{ERROR}^[[0m",
        f"[31m{ERROR}[0m",
        f"\\x1b[31m{ERROR}\\x1b[0m",
        f"\x1b]0;title\x07{ERROR}",
        f"2024-11-03T10:11:12.123456789Z {ERROR}",
        f"2024-11-03T10:11:12.123456789Z stderr F {ERROR}",
        f"[2024-11-03 10:11:12,123] {ERROR}",
        f"Nov  3 10:11:12 host convert.sh[4711]: {ERROR}",
        f"web-1  | {ERROR}",
        f"converter_1 | 2024-11-03 10:11:12 {ERROR}",
        f"> {ERROR}",
        f"[ERROR] {ERROR}",
        f"&gt; {ERROR}",
        f"E   {ERROR}"[2:],
        f"\u2502 {ERROR}   \u2502",
        f"| {ERROR}   |",
        "ImportError: cannot import name \u2018x\u2019 from \u2018y\u2019",
        "ImportError: cannot import name &#39;x&#39; from &#39;y&#39;",
        "ImportError: cannot import name \u00e2\u20ac\u02dcx\u00e2\u20ac\u2122 from 'y'",
        ERROR.replace(" ", "\u00a0"),
        ERROR + "   ",
    ],
)
def test_what_others_put_around_a_line_is_taken_away(line: str) -> None:
    assert clean(line).strip() == ERROR


@pytest.mark.parametrize(
    "line",
    [
        "    indented code()",
        "sizes [320, 4, 3, 3] and [1]",
        "1 | 2",
        "caf\u00e9",
        "ValueError: node 3 (add) got [5m] of cloth",
    ],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert clean(line) == line


def test_rules_of_boxes_are_empty_lines() -> None:
    assert clean("\u256d\u2500\u2500\u2500\u2500\u256e") == ""
    assert clean("\u2570\u2500\u2500\u2500\u2500\u256f") == ""

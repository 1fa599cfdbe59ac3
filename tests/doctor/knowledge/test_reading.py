from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.reading import WHOLE, Line, clean, join_wrapped, read

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


def test_progress_bars_are_lines_of_their_own() -> None:
    assert [line.number for line in read("10%\r20%\r\nboom\r\n")] == [1, 2, 3]


def test_of_a_long_log_the_lines_around_a_failure_and_the_end_are_read() -> None:
    filler = "".join(f"step {number} of many is done\n" for number in range(30_000))
    lines = read(f"first\n{filler}before\nfatal: boom\nafter\n{filler}last\n")
    numbers = {line.text: line.number for line in lines}
    assert numbers["fatal: boom"] == 30_003
    assert (numbers["before"], numbers["after"]) == (30_002, 30_004)
    assert numbers["last"] == 60_005
    assert sum(len(line.text) for line in lines) < WHOLE


def test_a_long_log_of_errors_alone_is_read_in_part() -> None:
    log = "".join(f"error: {chr(97 + number % 26) * (number % 90)}\n" for number in range(40_000))
    lines = read(log)
    assert len(lines) < 10_000
    assert lines[0].number == 1
    assert lines[-1].number == 40_000


def lines(*texts: str) -> tuple[Line, ...]:
    return tuple(Line(number=number, text=text) for number, text in enumerate(texts, start=1))


def test_a_line_that_was_cut_at_the_width_is_joined_to_the_next() -> None:
    cut = lines("ImportError: cannot import name 'cached_do", "wnload' from 'huggingface_hub'")
    assert [line.text for line in join_wrapped(cut)] == [
        "ImportError: cannot import name 'cached_download' from 'huggingface_hub'"
    ]


def test_a_line_that_was_broken_between_words_is_joined_with_a_space() -> None:
    broken = lines(
        "The first line of this letter is as long as any",
        "other, and the second breaks before a word that",
        "does not fit. End",
        "Error: x",
    )
    joined = join_wrapped(broken)
    assert joined[0].text.endswith("a word that does not fit. End") or len(joined) < len(broken)
    assert joined[-1] == Line(number=4, text="Error: x")


def test_short_lines_and_the_beginnings_of_others_are_not_joined() -> None:
    assert join_wrapped(lines("one", "two")) == ()
    assert join_wrapped(lines("x" * 60, "ValueError: y")) == ()
    assert join_wrapped(()) == ()

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sdcoreml.doctor.knowledge.excerpts import WHOLE, choose_telling, excerpt
from sdcoreml.doctor.knowledge.lines import Line

LINES = 20_000
"""So many lines that a failure near the beginning is far from the end, which is kept whole."""


def write_log(told: Mapping[int, str], count: int = LINES) -> str:
    """Return a log of numbered lines: those told, and words of u to z that tell of nothing."""
    return "".join(f"{told.get(number) or fill(number)}\n" for number in range(1, count + 1))


def fill(number: int) -> str:
    """Return a word that no other number has, of letters alone: digits are not told apart."""
    digits = ""
    while number:
        number, digit = divmod(number, 6)
        digits += "uvwxyz"[digit]
    return digits * 4


def numbers(log: str, until: int) -> list[int]:
    return [number for number, _ in excerpt(log) if number <= until]


def test_six_lines_before_a_failure_are_kept_and_two_behind_it() -> None:
    assert numbers(write_log({9_000: "it failed"}), 10_000) == [*range(8_995, 9_003)]


def test_a_word_at_the_very_beginning_does_not_hide_the_same_word_behind_it() -> None:
    log = write_log({1: "rror: first", 9_000: "rror: second"})
    assert {1, 9_000} <= {*numbers(log, 10_000)}


def test_two_words_of_one_line_keep_it_once() -> None:
    assert numbers(write_log({9_000: "error: it failed"}), 10_000) == [*range(8_995, 9_003)]


def test_the_end_is_kept_whole_though_nothing_in_it_tells_of_a_failure() -> None:
    log = write_log({})
    kept = list(excerpt(log))
    text = "".join(f"{line}\n" for _, line in kept)
    assert log.endswith(text)
    assert 47_000 < len(text) <= 48_001
    assert kept[-1] == (LINES, fill(LINES))


def test_a_last_line_may_lack_its_end() -> None:
    assert list(excerpt(f"{write_log({})}stopped"))[-1] == (LINES + 1, "stopped")


def test_a_line_that_differs_in_digits_alone_is_kept_three_times() -> None:
    told = {5_000 + 20 * turn: f"error {turn} of 1000" for turn in range(200)}
    kept = [text for _, text in excerpt(write_log(told)) if text.startswith("error")]
    assert kept == ["error 0 of 1000", "error 1 of 1000", "error 2 of 1000"]


def test_what_comes_four_hundred_times_is_found_at_both_ends() -> None:
    told = {10 + turn: f"error {fill(turn + 1)}" for turn in range(15_000)}
    found = {number for number, text in excerpt(write_log(told)) if text.startswith("error")}
    assert {10, 400, 14_700, 15_000} <= found
    assert found.isdisjoint({2_000, 14_000})


def test_of_many_long_lines_no_more_is_kept_than_a_whole_log_may_have() -> None:
    told = {10 + turn: f"error {fill(turn + 1) * 90}" for turn in range(2_000)}
    kept = sum(len(text) for _, text in excerpt(write_log(told)))
    assert WHOLE - 3_000 < kept < WHOLE + 48_000


@pytest.mark.parametrize("length", [10_000, 400_000])
def test_a_long_line_is_not_searched_for_its_neighbours_for_ever(length: int) -> None:
    log = "v" * length + "\n" + write_log({9_000: "it failed"})
    assert 9_001 in numbers(log, 10_000)
    assert sum(len(text) for _, text in excerpt(log)) < WHOLE


def lines(texts: list[str]) -> list[Line]:
    return [Line(number=number, text=text) for number, text in enumerate(texts, 1)]


def test_all_of_sixty_lines_may_tell_of_a_failure_and_some_of_more() -> None:
    few = lines([fill(number) for number in range(1, 61)])
    assert choose_telling(few) == tuple(few)
    assert choose_telling([*few, Line(number=61, text="v")]) == ()


def test_five_lines_before_one_that_tells_are_chosen_and_three_behind_it() -> None:
    texts = [fill(number) for number in range(1, 71)]
    texts[15] = "it failed"
    assert [line.number for line in choose_telling(lines(texts))] == [*range(11, 20)]

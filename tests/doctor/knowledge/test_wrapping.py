from __future__ import annotations

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.wrapping import join_wrapped


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

from __future__ import annotations

from sdcoreml.doctor.knowledge.words import find_literals, find_marks, find_words, is_familiar


def test_names_are_no_words() -> None:
    line = "ValueError: No module named 'foo bar' in /a/b.py (torch==2.0, fooBar, a_b, MPS, x2)"
    assert find_words(line) == {"module", "named", "mps"}


def test_the_words_of_a_pattern_are_known() -> None:
    pattern = r"(?P<name>\w+) is\s(?:not|never) an? INVALID\b"
    assert find_literals(pattern) == {"not", "never", "invalid"}


def test_a_line_is_familiar_if_next_to_all_its_words_are_known() -> None:
    known = frozenset({"no", "space", "left"})
    assert is_familiar("No space left", known)
    assert is_familiar("No space left, skipping", known)
    assert not is_familiar("No space left: quota exceeded again", known)
    assert is_familiar("'x'", frozenset()), "it has no words"


def test_exceptions_of_a_kind_and_answers_of_servers_are_marks() -> None:
    line = "ValueError: requests.exceptions.SSLError: HTTP 503, 404 Client Error, page 512"
    assert find_marks(line) == {"SSLError", "503", "404"}
    assert find_marks("RuntimeError: The requested URL returned error: 403") == {"403"}
    assert find_marks("RuntimeError: 512 pages, PermissionError") == frozenset()

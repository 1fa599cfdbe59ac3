from __future__ import annotations

import errno
import io
import json
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.visible import (
    Patient,
    Visible,
    filter_output,
    one_line,
    short_line,
    visible,
    without_filter,
)
from tests.handles import nothing_left_open


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\x9b31m", "\\u009b31m"),
        ("model\u202egnp.exe", "model\\u202egnp.exe"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Bücher, 模型, 😀", "Bücher, 模型, 😀"),
    ],
)
def test_control_characters_are_shown_and_letters_stay(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_newline_in_a_name_starts_no_line() -> None:
    assert one_line("a\n::error::b") == "a\\n::error::b"


def test_a_name_of_thousands_of_letters_hides_neither_place_nor_remedy() -> None:
    line = short_line(f"{'d/' * 2_000}: File name too long; choose another name")
    assert line.startswith("d/d/")
    assert line.endswith("d/d/: File name too long; choose another name")
    assert len(line) < 1_100
    assert short_line("d" * 1_000) == "d" * 1_000
    assert short_line("a" * 501 + "b" * 500) == f"{'a' * 500} ... {'b' * 500}"


@given(st.text())
def test_nothing_that_is_shown_obeys_and_nothing_is_shown_twice(text: str) -> None:
    once = one_line(text)
    assert not {ord(letter) for letter in once} & {*range(9), *range(10, 32), *range(127, 160)}
    assert one_line(once) == once


@given(st.text())
def test_json_says_the_same_after_it(text: str) -> None:
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text


def stream(encoding: str = "utf-8") -> tuple[io.BytesIO, io.TextIOWrapper]:
    """Return a byte stream, and a text stream that writes to it."""
    raw = io.BytesIO()
    return raw, io.TextIOWrapper(raw, encoding=encoding, newline="\n")


def test_a_stream_shows_what_is_printed_on_it() -> None:
    raw, beneath = stream("ascii")
    out = Visible(beneath)
    print("ü \udcff \x1b[1m", file=out, flush=True)
    assert raw.getvalue() == b"\\xfc \\udcff \\x1b[1m\n"


def test_who_colours_writes_beneath_and_in_order() -> None:
    raw, beneath = stream()
    out = Visible(beneath)
    print("first", file=out)
    print("\x1b[1msecond\x1b[0m", file=without_filter(out), flush=True)
    assert raw.getvalue() == b"first\n\x1b[1msecond\x1b[0m\n"
    assert without_filter(beneath) is beneath


def test_within_streams_are_filtered_and_afterwards_as_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sys.stdout, sys.stderr
    with filter_output(), filter_output():
        sys.stdout.write("\x1b[1mout\n")
        sys.stderr.write("\x1b[1merr\n")
    assert (sys.stdout, sys.stderr) == before
    sys.stdout.write("\x1b[1mlater\n")
    assert capsys.readouterr() == ("\\x1b[1mout\n\x1b[1mlater\n", "\\x1b[1merr\n")


def test_a_reader_that_has_gone_is_not_told_and_a_full_disk_is() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with io.TextIOWrapper(os.fdopen(writer, "wb", 0)) as beneath:
        stream = Patient(beneath)
        assert stream.write("x" * 9_000) == 9_000
        stream.flush()
        assert stream.write("more") == 4
        stream.flush()
        with pytest.raises(OSError, match="No space"):
            stream._fall_silent(OSError(errno.ENOSPC, "No space left on device"))
        stream.detach()


class Refusing(io.RawIOBase):
    """A raw stream that refuses all that is written with the same error."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.reader, self.writer = os.pipe()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.writer

    def write(self, _: object, /) -> int:
        raise OSError(self.number, "refused")


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_a_reader_that_goes_before_the_flush_is_not_told(number: int) -> None:
    raw = Refusing(number)
    stream = Patient(io.TextIOWrapper(io.BufferedWriter(raw)))
    assert stream.write("few") == 3
    stream.flush()
    os.write(raw.writer, b"x" * 100_000)  # it leads nowhere now, or this would wait
    with pytest.raises(OSError, match="refused"):
        Patient(io.TextIOWrapper(io.BufferedWriter(Refusing(errno.ENOSPC)))).write("x" * 99_999)


def test_a_stream_goes_on_as_the_one_beneath_it() -> None:
    raw = io.BytesIO()
    beneath = io.TextIOWrapper(raw, encoding="latin-1", line_buffering=True, newline="\n")
    beneath.write("begun, ")
    out = Patient(beneath)
    assert (out.encoding, out.errors, out.line_buffering) == ("latin-1", "backslashreplace", True)
    assert raw.getvalue() == b"begun, "
    assert out.write("h\xe9 \u2026\n") == 5
    assert raw.getvalue() == b"begun, h\xe9 \\u2026\n"
    through = Patient(io.TextIOWrapper(io.BytesIO(), write_through=True))
    assert through.write_through
    assert not Patient(io.TextIOWrapper(io.BytesIO())).write_through


def test_commands_are_spelled_as_they_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    raw, beneath = stream()
    out = Visible(beneath)
    assert out.write("run `sdcoreml env`\x07") == 19
    out.flush()
    assert raw.getvalue().endswith(b"\\x07")
    del monkeypatch


def test_a_stream_that_falls_silent_leaves_nothing_open() -> None:
    raw = Refusing(errno.EPIPE)
    stream = Patient(io.TextIOWrapper(io.BufferedWriter(raw)))
    with nothing_left_open():
        stream.write("few")
        stream.flush()

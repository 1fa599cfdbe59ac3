"""What a command prints is kept in files that stay small, and can be followed as they grow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.doctor.queue import lines
from sdcoreml.doctor.queue.lines import (
    LARGEST,
    MOST,
    LineFile,
    event_of,
    last_progress,
    read_lines,
    second_half,
    without_progress,
)


def progress(done: int, pad: int = 0) -> bytes:
    text = "x" * pad
    return json.dumps({"event": "progress", "done": done, "text": text}).encode() + b"\n"


def test_whole_lines_are_read_from_an_offset_on(tmp_path: Path) -> None:
    path = tmp_path / "1.events"
    assert read_lines(path).lines == ()
    path.write_bytes(b"one\ntwo\nthr")
    heard = read_lines(path)
    assert (heard.lines, heard.is_anew) == (("one", "two"), False)
    path.write_bytes(b"one\ntwo\nthree\n\xff\n")
    assert read_lines(path, heard.offset).lines == ("three", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("offset", [-1, 8, 9, 1 << 40, 10**30])
def test_after_a_file_was_begun_anew_reading_begins_anew(offset: int, tmp_path: Path) -> None:
    path = tmp_path / "1.events"
    path.write_bytes(b"one\ntwo\n")
    heard = read_lines(path, offset)
    assert (heard.lines, heard.is_anew) == (("one", "two"), True)
    path.unlink()
    assert read_lines(path, 8) == lines.Heard(is_anew=True)


@pytest.mark.parametrize("text", [b"one\ntwo\n", b"one\ntwo\nthree\n", b"one\n"])
def test_a_file_that_was_begun_anew_is_noticed_however_long_it_is(
    text: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "1.log"
    file = LineFile(path, second_half)
    assert read_lines(path) == lines.Heard()
    file.add(b"one\n")
    heard = read_lines(path)
    file.add(b"two\n")
    heard = read_lines(path, heard.offset)
    assert (heard.lines, heard.is_anew) == (("two",), False)
    assert heard.offset < 10**15, (
        "the page sends it back as a number, and the studio takes 15 digits"
    )
    again = LineFile(path, second_half)
    again.add(text)
    anew = read_lines(path, heard.offset)
    assert (anew.lines, anew.is_anew) == (tuple(text.decode().split()), True)
    path.write_bytes(b"other\n" + text)  # the same file, as its number may be given again
    assert read_lines(path, anew.offset).is_anew


def test_much_is_read_in_parts_and_an_endless_line_does_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "1.events"
    path.write_bytes(b"x" * 3_000_000 + b"\nend\n")
    offset, seen = 0, list[str]()
    while (heard := read_lines(path, offset)).lines:
        seen += heard.lines
        offset = heard.offset
    assert "".join(seen) == "x" * 3_000_000 + "end"
    assert seen[-1] == "end"


def test_the_last_progress_is_found_at_the_end_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "1.events"
    assert last_progress(path) is None
    path.write_bytes(progress(1, 70_000) + progress(2) + b'{"event": "end"}\nhalf')
    assert last_progress(path) == {"event": "progress", "done": 2, "text": ""}
    path.write_bytes(progress(1) + b'{"event": "end"}\n' * 5000)
    assert last_progress(path) is None


@pytest.mark.parametrize("line", ["", "x", "[1]", "3", "[" * 100_000, b"\xff"])
def test_what_is_no_event_says_none(line: str | bytes) -> None:
    assert event_of(line) == {}


def test_a_file_of_events_loses_all_but_the_last_progress_when_it_is_long(tmp_path: Path) -> None:
    path = tmp_path / "1.events"
    file = LineFile(path, without_progress)
    file.add(b'{"event": "folders"}\n')
    for number in range(LARGEST // 10_000 + 2):
        file.add(progress(number, 10_000))
    kept = [event_of(line) for line in read_lines(path).lines]
    assert kept[0] == {"event": "folders"}
    assert path.stat().st_size < LARGEST / 10
    assert last_progress(path) == kept[-1]
    assert kept[-1]["done"] == LARGEST // 10_000 + 1


def test_a_log_keeps_its_later_half(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    file = LineFile(path, second_half)
    for number in range(LARGEST // 100_000 + 2):
        file.add(f"{number}".encode().ljust(100_000) + b"\n")
    numbers = [int(line.split()[0]) for line in path.read_bytes().splitlines()]
    assert numbers == list(range(numbers[0], LARGEST // 100_000 + 2))
    assert 0 < numbers[0] < len(numbers)


def test_nothing_makes_a_file_endless(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    file = LineFile(path, lambda lines: lines)
    for _ in range(20):
        file.add(b"x" * (1 << 20) + b"\n")
    assert path.stat().st_size <= MOST


def test_a_place_that_cannot_be_written_costs_the_lines_alone(tmp_path: Path) -> None:
    (tmp_path / "1.log").mkdir()
    LineFile(tmp_path / "1.log", second_half).add(b"x\n")
    gone = LineFile(tmp_path / "2.log", second_half)
    (tmp_path / "2.log").unlink()
    (tmp_path / "2.log").mkdir()
    gone.add(b"x\n")
    LineFile(tmp_path / "none" / "3.log", second_half).add(b"x\n")

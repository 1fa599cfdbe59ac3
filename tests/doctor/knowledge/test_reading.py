from __future__ import annotations

from sdcoreml.doctor.knowledge.excerpts import WHOLE
from sdcoreml.doctor.knowledge.reading import read


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


def test_what_a_notebook_keeps_of_an_exception_is_read_as_python_prints_it() -> None:
    log = '{\n\t"name": "ValueError",\n\t"message": "Op \\"x\\" is\\nwrong",\n\t"stack": "y"\n}\n'
    lines = {line.number: line.text.strip() for line in read(log)}
    assert lines[2] == 'ValueError: Op "x" is wrong'
    assert lines[4] == '"stack": "y"', "the numbers of the lines are the log's"


def test_what_a_notebook_keeps_of_an_exception_is_read_as_json() -> None:
    cell = r'{"ename": "ValueError", "evalue": "\u001b[31mno \"x\"\u001b[0m\nin \u00e4"}'
    assert 'ValueError: no "x" in \u00e4' in read(cell)[0].text

from __future__ import annotations

import io
import json

from sdcoreml.doctor.core.overall import (
    Expected,
    Scarce,
    Shortage,
    begin,
    end,
    expect,
    wait,
)
from sdcoreml.doctor.report.event_lines import EventLines
from sdcoreml.ground.events import Event
from sdcoreml.ground.labour import Labour, plan
from tests.schemas import read_as

RESULT = {
    "state": "done",
    "place": "models[0]",
    "model": "m",
    "folder": "out/m",
    "programs": 4,
    "seconds": 2.5,
    "because": "",
    "code": "",
    "explanation": "",
    "exit_code": 0,
}


def test_every_line_is_an_object_that_fits_the_schema() -> None:
    stream, now = io.StringIO(), [0.0]
    lines = EventLines(stream, lambda: now[0])
    lines(expect([Expected(folder="out/m", model="m", bytes=1000)]))
    shortage = Shortage(scarce=Scarce.MEMORY, folder="out/m", needed=9, free=3)
    lines(wait(shortage, "waiting for memory"))
    lines(begin(["out/m"], "1 of 1: m"))
    lines(plan({Labour.READ: 100e9}, 1))
    lines(Event(kind="step", text="build `sdcoreml env`\x1b"))
    now[0] = 0.4
    lines(Event(kind="labour", text="read", done=int(10e9)))
    now[0] = 25.0
    lines(Event(kind="labour", text="read", done=int(15e9)))
    lines(Event(kind="progress", done=7, total=10, unit="B"))
    now[0] = 26.0
    lines(Event(kind="progress", done=9, total=10, unit="B"))
    lines(Event(kind="note", text="built"))
    lines(Event(kind="warning", text="odd"))
    lines(Event(kind="result", data=1))
    now[0] = 50.0
    lines(end("out/m", RESULT))
    told = stream.getvalue().splitlines()
    found = [read_as("jobs", line) for line in told]
    assert {one["schema"] for one in found} == {1}
    assert [one["event"] for one in found] == [
        *("folders", "wait", "begin", "progress", "step", "progress", "progress"),
        *("note", "warning", "end", "progress"),
    ]
    assert found[0]["folders"] == [{"folder": "out/m", "model": "m", "bytes": 1000}]
    assert (found[1]["scarce"], found[1]["needed"], found[1]["free"]) == ("memory", 9, 3)
    assert found[4]["text"].endswith("\\x1b")
    step = {"text": found[4]["text"], "done": 0, "total": 0, "unit": ""}
    assert found[5] == {
        "schema": 1,
        "event": "progress",
        "done": 250,
        "total": 1000,
        "elapsed": 25.0,
        "left": 75.0,
        "folders": [{"folder": "out/m", "done": 250, "total": 1000}],
        "step": step,
    }
    assert found[6]["step"] == {**step, "done": 9, "total": 10, "unit": "B"}
    assert found[-2]["result"] == RESULT
    assert (found[-1]["done"], found[-1]["folders"]) == (1000, [])


def test_a_reader_that_goes_away_ends_no_run() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    lines = EventLines(Gone())
    lines(Event(kind="note", text="one"))
    lines(Event(kind="note", text="two"))


def test_lines_are_whole_as_soon_as_they_are_written() -> None:
    class Unbuffered(io.StringIO):
        flushed = ""

        def flush(self) -> None:
            self.flushed = self.getvalue()

    stream = Unbuffered()
    EventLines(stream)(Event(kind="step", text="one"))
    assert json.loads(stream.flushed) == {"schema": 1, "event": "step", "text": "one"}

from __future__ import annotations

import io
import re
import threading
import time

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from sdcoreml.doctor.core.overall import (
    Expected,
    Scarce,
    Shortage,
    begin,
    end,
    expect,
    wait,
)
from sdcoreml.doctor.report.terminal import (
    Bars,
    Lines,
    beating,
    clock_time,
    columns,
    draw,
    how_far,
)
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.labour import Labour, plan

STORY = (
    Event(kind="step", text="merge the shards"),
    Event(kind="progress", done=1, total=4, unit="B"),
    Event(kind="note", text="unet: 5 shards"),
    Event(kind="step", text="build the programs"),
    Event(kind="warning", text="[unet] 3 values overflow float16"),
    Event(kind="result", data=1),
)


def test_away_from_a_terminal_each_step_is_one_line() -> None:
    stream = io.StringIO()
    emit = Lines(stream)
    for event in STORY:
        emit(event)
    assert stream.getvalue() == (
        "- merge the shards\n"
        "  unet: 5 shards\n"
        "- build the programs\n"
        "  warning: [unet] 3 values overflow float16\n"
    )


def test_draw_is_plain_away_from_a_terminal() -> None:
    stream = io.StringIO()
    with draw(stream) as emit:
        emit(Event(kind="step", text="one"))
    assert stream.getvalue() == "- one\n"


def test_on_a_terminal_finished_steps_stay_with_their_time() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, no_color=True)
    with Progress(console=console, transient=True, auto_refresh=False) as progress:
        bars = Bars(progress)
        for event in STORY:
            bars(event)
        bars.finish()
    text = stream.getvalue()
    assert re.search(r"- merge the shards \(\d+\.\d s\)\n", text)
    assert re.search(r"- build the programs \(\d+\.\d s\)\n", text)
    assert "  warning: [unet] 3 values overflow float16\n" in text
    assert text.index("merge the shards (") < text.index("build the programs (")


def test_the_time_of_a_step_is_from_its_beginning_to_its_end() -> None:
    stream, now = io.StringIO(), [1000.0]
    console = Console(file=stream, force_terminal=True, width=80, no_color=True)
    with Progress(console=console, transient=True, auto_refresh=False) as progress:
        bars = Bars(progress, lambda: now[0])
        for event in STORY:
            bars(event)
            now[0] += 2.5
        bars.finish()
    assert "- merge the shards (7.5 s)\n" in stream.getvalue()
    assert "- build the programs (7.5 s)\n" in stream.getvalue()


@pytest.mark.parametrize(
    ("done", "total", "unit", "words"),
    [
        (1_200_000_000, 5_580_000_000, "B", "1.20 of 5.58 GB"),
        (400_000, 170_000_000, "B", "0.40 of 170.00 MB"),
        (3, 999, "B", "3 of 999 bytes"),
        (300, 8959, "files", "300 of 8,959 files"),
        (1, 2, "", "1 of 2"),
        (7, 0, "runs", ""),
    ],
)
def test_how_far_a_step_is_in_words(done: int, total: int, unit: str, words: str) -> None:
    assert how_far(Event(kind="progress", done=done, total=total, unit=unit)) == words


def test_on_a_terminal_the_bytes_stand_beside_the_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "100")
        with draw(stream) as emit:
            emit(Event(kind="step", text="install"))
            emit(Event(kind="progress", done=1_500_000_000, total=5_000_000_000, unit="B"))
            until = time.monotonic() + 120
            while "1.50 of 5.00 GB" not in stream.getvalue() and time.monotonic() < until:
                time.sleep(0.02)  # the bar is drawn ten times a second
    assert "1.50 of 5.00 GB" in stream.getvalue()
    assert "- install (" in stream.getvalue()


def test_names_are_words_not_markup_and_steer_nothing() -> None:
    event = Event(kind="step", text="write [red]a\x1b[2J\n.safetensors")
    lines, live = io.StringIO(), io.StringIO()
    Lines(lines)(event)
    assert lines.getvalue() == "- write [red]a\\x1b[2J\\n.safetensors\n"
    live.isatty = lambda: True  # type: ignore[method-assign]
    with draw(live) as emit:
        emit(event)
    # What is drawn live and what stays, without rich's own cursor movements.
    assert live.getvalue().count("write [red]a\\x1b[2J\\n.safetensors") >= 1
    assert "a\x1b[2J" not in live.getvalue()


def test_a_long_step_has_a_line_a_minute_away_from_a_terminal() -> None:
    stream, now = io.StringIO(), [1000.0]
    lines = Lines(stream, lambda: now[0])

    def after(seconds: float) -> str:
        now[0] += seconds
        before = len(stream.getvalue())
        lines.beat()
        return stream.getvalue()[before:]

    assert after(100) == "", "nothing has begun"
    lines(Event(kind="step", text="install"))
    assert after(59) == ""
    assert after(1) == "  still at it: install, 1 min\n"
    assert after(59) == ""
    lines(Event(kind="progress", done=12 * 10**8, total=558 * 10**7, unit="B"))
    assert after(1) == "  still at it: install, 2 min, 1.20 of 5.58 GB\n"
    lines(Event(kind="note", text="half"))
    assert after(59) == ""
    lines(Event(kind="step", text="seal"))
    assert after(60) == "  still at it: seal, 1 min\n"


def test_a_picture_s_steps_say_how_long_the_rest_takes() -> None:
    stream, now = io.StringIO(), [1000.0]
    lines = Lines(stream, lambda: now[0])
    lines(Event(kind="step", text="draw"))
    now[0] = 1090.0
    lines(Event(kind="progress", done=3, total=12, unit="steps"))
    lines.beat()
    assert stream.getvalue().splitlines()[-1] == (
        "  still at it: draw, 1 min, 3 of 12 steps, about 4 minutes left"
    )


def test_all_steps_together_are_one_number_with_the_time_left() -> None:
    stream, now = io.StringIO(), [1000.0]
    lines = Lines(stream, lambda: now[0])
    lines(plan({Labour.READ: 120e9, Labour.HASH: 360e9}, 1))
    lines(Event(kind="step", text="build Unet"))
    lines(Event(kind="labour", text="read", done=int(120e9)))
    now[0] = 1240.0
    lines(Event(kind="labour", text="hash", done=int(60e9)))
    lines.beat()
    said = "  still at it: build Unet, 4 min, 38 % of all, about 13 minutes left\n"
    assert stream.getvalue() == "- build Unet\n" + said


def test_on_a_terminal_the_number_stands_beside_the_step() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, no_color=True)
    with Progress(TextColumn("{task.fields[far]}"), console=console, auto_refresh=False) as shown:
        bars = Bars(shown)
        bars(plan({Labour.READ: 2e9}, 1))
        bars(Event(kind="step", text="build Unet"))
        bars(Event(kind="labour", text="read", done=int(1e9)))
        shown.refresh()
        bars.finish()
    assert "50 % of all, less than a minute left" in stream.getvalue()


def test_the_heart_beats_while_the_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcoreml.doctor.report.terminal._LOOK", 0.001)
    beats = threading.Semaphore(0)
    with beating(beats.release):
        assert all(beats.acquire(timeout=120) for _ in range(3))


def test_a_heart_that_cannot_beat_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    with beating(lambda: None):
        pass


class Story:
    """A run of three folders: one was there, one is made, and one waits for memory."""

    def __init__(self, emit: Emit, now: list[float]) -> None:
        self.emit, self.now = emit, now

    def tell(self) -> None:
        emit = self.emit
        emit(expect(Expected(folder=one, model="m", bytes=2 * 10**9) for one in "abc"))
        emit(Event(kind="step", text="1 of 3: m"))
        emit(end("a", None, was_there=True))
        emit(Event(kind="step", text="2 of 3: m"))
        emit(begin(["b"], "2 of 3: m"))
        emit(plan({Labour.READ: 100e9}, 1))
        emit(Event(kind="step", text="build Unet"))
        self.now[0] = 1120.0
        emit(Event(kind="labour", text="read", done=int(50e9)))
        emit(Event(kind="progress", done=3 * 10**8, total=10**9, unit="B"))


def test_a_run_of_many_folders_says_how_far_all_are() -> None:
    stream, now = io.StringIO(), [1000.0]
    lines = Lines(stream, lambda: now[0])
    Story(lines, now).tell()
    lines.beat()
    lines(end("b", None))
    lines(wait(Shortage(scarce=Scarce.MEMORY, folder="c"), "waiting for 4 GB of memory"))
    now[0] = 1240.0
    lines.beat()
    assert stream.getvalue() == (
        "- 1 of 3: m\n"
        "- 2 of 3: m\n"
        "- build Unet\n"
        "  still at it: build Unet, 2 min, 0.30 of 1.00 GB,"
        " 1 of 3 folders, 3.00 of 6.00 GB in all, about 6 minutes left\n"
        "  waiting for 4 GB of memory\n"
        "  still waiting for 4 GB of memory, 2 min,"
        " 2 of 3 folders, 4.00 of 6.00 GB in all\n"
    )


def test_on_a_terminal_there_is_a_bar_for_all_one_for_a_folder_and_one_for_the_step() -> None:
    stream, now = io.StringIO(), [1000.0]
    console = Console(file=stream, force_terminal=True, width=140, no_color=True)
    with Progress(
        *columns(), console=console, auto_refresh=False, get_time=lambda: now[0]
    ) as shown:
        bars = Bars(shown, lambda: now[0])
        Story(bars, now).tell()
        stream.truncate(0)
        shown.refresh()
        rows = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", row) for row in stream.getvalue().split("\n")]
        stream.truncate(0)
        bars(end("b", None))
        shown.refresh()
        after = stream.getvalue()
    bar = r"[━╸╺ ]{24}"
    whole = r"1 of 3 folders, 3\.00 of 6\.00 GB"
    assert [row.strip("\x00\r ") for row in rows][-3:] == [
        matching(rf"\S all +{bar} {whole} 0:02:00 06:00"),
        matching(rf"\S 2 of 3: m +{bar} 1\.00 of 2\.00 GB +0:02:00 .*"),
        matching(rf"\S build Unet +{bar} 0\.30 of 1\.00 GB +0:02:00 .*"),
    ]
    assert after.index("- build Unet (120.0 s)") < after.index("- 2 of 3: m (120.0 s)")
    last = after.rpartition("\x1b[2K")[2]
    assert "2 of 3 folders, 4.00 of 6.00 GB" in last
    assert not {"2 of 3: m", "build Unet"} & {*re.findall("2 of 3: m|build Unet", last)}


def test_in_a_narrow_window_titles_are_cut_short_and_figures_are_not() -> None:
    stream, now = io.StringIO(), [1000.0]
    console = Console(file=stream, force_terminal=True, width=80, no_color=True)
    with Progress(
        *columns(), console=console, auto_refresh=False, get_time=lambda: now[0]
    ) as shown:
        bars = Bars(shown, lambda: now[0])
        Story(bars, now).tell()
        bars(Event(kind="step", text="build Unet of a-model-with-a-long-name-split-einsum_512x768"))
        stream.truncate(0)
        shown.refresh()
        rows = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", row) for row in stream.getvalue().split("\n")]
    assert all(len(row.strip("\x00\r ")) <= 80 for row in rows)
    first, _, last = rows[-3:]
    assert re.search(r"1 of 3 folders, 3\.00 of 6\.00 GB 0:02:00 06:00 *$", first)
    assert re.search(r"build Unet of a\S*… ", last)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "--:--"), (0, "00:00"), (307.9, "05:07"), (3907, "1:05:07")]
)
def test_the_time_left_of_all_is_written_as_the_other_times_are(
    seconds: float | None, text: str
) -> None:
    assert clock_time(seconds) == text


class matching:  # noqa: N801  reads as a value
    """A text that matches a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __repr__(self) -> str:
        return self.pattern


def test_a_folder_that_is_begun_once_more_has_a_bar_again() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=140, no_color=True)
    with Progress(*columns(), console=console, auto_refresh=False) as shown:
        bars = Bars(shown)
        for event in (
            expect([Expected(folder="a", model="m", bytes=10**9)]),
            *(begin(["a"], "1 of 1: m"), end("a", None), begin(["a"], "once more: m")),
        ):
            bars(event)
        stream.truncate(0)
        shown.refresh()
    assert "once more: m" in stream.getvalue()
    assert "0.00 of 1.00 GB" in stream.getvalue()

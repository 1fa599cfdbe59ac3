from __future__ import annotations

import io

from rich.console import Console
from rich.progress import Progress

from doctor.terminal import Bars, draw, plain
from envs.events import Event

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
    emit = plain(stream)
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
    assert "- merge the shards (0.0 s)\n" in text
    assert "- build the programs (0.0 s)\n" in text
    assert "  warning: [unet] 3 values overflow float16\n" in text
    assert text.index("merge the shards (") < text.index("build the programs (")

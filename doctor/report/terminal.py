"""Shows the events of a long task on stderr.

On a terminal, each step has one line, with a bar if it reports progress. Elsewhere, as in CI, each
step prints a plain line, and another every minute while it lasts. stdout is never used: it is for
data.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.advice import spell
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.labour import Forecast
from sdcoreml.ground.quantity import duration
from sdcoreml.ground.visible import one_line, without_filter

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


MINUTE = 60.0
_LOOK = 5.0
"""Seconds between two calls of `beat`."""


def show(text: str) -> str:
    """Return an event's text on one line, without passwords, with commands spelled for pasting."""
    return one_line(hide_credentials(spell(text)))


class Lines:
    """An `Emit` that writes one line for each step, note and warning.

    If nothing was written for a minute, `beat` writes that the step goes on, and how far it is.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._step, self._far = "", ""
        self._forecast: Forecast | None = None
        self._began = self._spoke = clock()

    def __call__(self, event: Event) -> None:
        """Write one event."""
        text = show(event.text)
        match event.kind:
            case "step":
                self._step, self._far, self._began = text, "", self._clock()
                self._say(f"- {text}")
            case "note":
                self._say(f"  {text}")
            case "warning":
                self._say(f"  warning: {text}")
            case "progress":
                self._far = how_far(event) + self._time_left(event)
            case "plan":
                self._forecast = Forecast.of(event, self._clock())
            case "labour" if self._forecast:
                self._forecast.advance(event, self._clock())
            case _:
                pass

    def beat(self) -> None:
        """Write that the step goes on, unless a line was written in the last minute."""
        now = self._clock()
        if self._step and now - self._spoke >= MINUTE:
            whole = how_far_in_all(self._forecast, now) if self._forecast else ""
            far = "".join(f", {part}" for part in (self._far, whole) if part)
            minutes = int((now - self._began) // MINUTE)
            self._say(f"  still at it: {self._step}, {minutes} min{far}")

    def _time_left(self, event: Event) -> str:
        """Return how long the rest of a picture's steps will take; each takes as long."""
        if event.unit != "steps" or not event.done:
            return ""
        spent = self._clock() - self._began
        return f", {duration(spent * (event.total - event.done) / event.done)} left"

    def _say(self, line: str) -> None:
        self._spoke = self._clock()
        print(line, file=self._stream, flush=True)


@contextmanager
def beating(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` every few seconds while the block runs."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(_LOOK):
            with suppress(
                OSError, ValueError
            ):  # the task itself will report what is wrong with the stream
                beat()

    thread = threading.Thread(target=go_on, daemon=True)
    with suppress(RuntimeError):  # the system refuses another thread: do without the heartbeat
        thread.start()
    try:
        yield
    finally:
        over.set()


def how_far(event: Event) -> str:
    """Return the progress, such as `1.20 of 5.58 GB`, or `300 of 8,959 files`."""
    if event.unit == "B":
        if event.total < 10**6:
            return f"{event.done:,} of {event.total:,} bytes"
        size, unit = (10**9, "GB") if event.total >= 10**9 else (10**6, "MB")
        return f"{event.done / size:.2f} of {event.total / size:.2f} {unit}"
    return f"{event.done:,} of {event.total:,} {event.unit}".rstrip() if event.total else ""


def how_far_in_all(forecast: Forecast, now: float) -> str:
    """Return how far all steps are together, such as `38 % of all, about 2 minutes left`."""
    left = forecast.left(now)
    percent = f"{100 * forecast.fraction:.0f} % of all"
    return percent if left is None else f"{percent}, {duration(left)} left"


class Bars:
    """An `Emit` for a terminal: one live line below the lines of finished steps."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._text = ""
        self._began = 0.0
        self._forecast: Forecast | None = None

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        text = show(event.text)
        match event.kind:
            case "step":
                self.finish()
                self._text, self._began = text, time.monotonic()
                self._task = self._progress.add_task(text, total=None, far="")
            case "progress" if self._task is not None:
                total = event.total or None
                self._progress.update(
                    self._task, completed=event.done, total=total, far=how_far(event)
                )
            case "plan":
                self._forecast = Forecast.of(event, time.monotonic())
            case "labour" if self._forecast and self._task is not None:
                now = time.monotonic()
                self._forecast.advance(event, now)
                self._progress.update(self._task, far=how_far_in_all(self._forecast, now))
            case "note":
                self._progress.console.print(f"  {text}", markup=False, highlight=False)
            case "warning":
                self._progress.console.print(
                    f"  warning: {text}", markup=False, highlight=False, style="yellow"
                )
            case _:
                pass

    def finish(self) -> None:
        """Replace the live line by a final one that says how long the step took."""
        if self._task is None:
            return
        self._progress.remove_task(self._task)
        self._task = None
        seconds = time.monotonic() - self._began
        self._progress.console.print(
            f"- {self._text} ({seconds:.1f} s)", markup=False, highlight=False
        )


@contextmanager
def draw(stream: TextIO | None = None) -> Iterator[Emit]:
    """Yield an `Emit` for the stream, by default stderr: bars on a terminal, else lines.

    In a notebook, whose stderr is no terminal, the bars are drawn below the cell.
    """
    is_notebook = stream is None and "ipykernel" in sys.modules
    stream = stream or sys.stderr
    if not (is_notebook or stream.isatty()):
        lines = Lines(stream)
        with beating(lines.beat):
            yield lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
    )
    ends = (TextColumn("{task.fields[far]}"), TimeRemainingColumn(compact=True))
    console = Console() if is_notebook else Console(file=without_filter(stream))
    with Progress(*columns, *ends, console=console, transient=True) as progress:
        bars = Bars(progress)
        try:
            yield bars
        finally:
            bars.finish()

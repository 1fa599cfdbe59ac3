"""Shows the events of a long task on stderr.

On a terminal there is one bar for all that is made, one for each folder that is being made, and one
for the step that is running. Elsewhere, as in CI, each step prints a plain line, and another every
minute while it lasts. stdout is never used: it is for data.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from sdcoreml.doctor.core.overall import Overall
from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.advice import spell
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.labour import Forecast
from sdcoreml.ground.quantity import duration
from sdcoreml.ground.visible import one_line, without_filter

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task, TaskID


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
        self._doing, self._far = "", ""
        self._forecast: Forecast | None = None
        self._overall = Overall(clock)
        self._began = self._spoke = clock()

    def __call__(self, event: Event) -> None:
        """Write one event."""
        text = show(event.text)
        self._overall.hear(event)
        match event.kind:
            case "step":
                self._doing, self._far, self._began = f"at it: {text}", "", self._clock()
                self._say(f"- {text}")
            case "wait":
                self._doing, self._far, self._began = text, "", self._clock()
                self._say(f"  {text}")
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
        if self._doing and now - self._spoke >= MINUTE:
            whole = describe_overall(self._overall)
            if not whole and self._forecast:
                whole = how_far_in_all(self._forecast, now)
            far = "".join(f", {part}" for part in (self._far, whole) if part)
            minutes = int((now - self._began) // MINUTE)
            self._say(f"  still {self._doing}, {minutes} min{far}")

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


def describe_overall(overall: Overall) -> str:
    """Return how far all folders are, such as `3 of 12 folders, 24.30 of 98.00 GB in all, ...`."""
    if not overall.total:
        return ""
    left = overall.left() if overall.makings else None  # nobody knows how long a run waits
    rest = "" if left is None else f", {duration(left)} left"
    return f"{count_overall(overall)} in all{rest}"


def count_overall(overall: Overall) -> str:
    """Return how many folders and bytes are done, such as `3 of 12 folders, 24.30 of 98.00 GB`."""
    several = f"{overall.ended} of {overall.folders} folders, " if overall.folders > 1 else ""
    size = Event(kind="progress", done=overall.done, total=overall.total, unit="B")
    return several + how_far(size)


class Bars:
    """An `Emit` for a terminal: live lines below the lines of finished steps.

    The first is for all folders, then there is one for each that is being made, and the last is for
    the running step.
    """

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._clock = progress, clock
        self._task: TaskID | None = None
        self._text = ""
        self._began = 0.0
        self._forecast: Forecast | None = None
        self._overall = Overall(clock)
        self._whole: TaskID | None = None
        self._rows: dict[str, tuple[TaskID, float]] = {}

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        text = show(event.text)
        self._overall.hear(event)
        if event.kind == "begin" and text == self._text and self._task is not None:
            self._progress.remove_task(self._task)  # it gets a line of its own
            self._task = None
        self._draw_overall()
        match event.kind:
            case "step" | "wait":
                self.finish()
                self._text, self._began = text, self._clock()
                self._task = self._progress.add_task(text, total=None, far="")
            case "progress" if self._task is not None:
                total = event.total or None
                self._progress.update(
                    self._task, completed=event.done, total=total, far=how_far(event)
                )
            case "plan":
                self._forecast = Forecast.of(event, self._clock())
            case "labour" if self._forecast and self._task is not None and self._whole is None:
                now = self._clock()
                self._forecast.advance(event, now)
                self._progress.update(self._task, far=how_far_in_all(self._forecast, now))
            case "note":
                self._print(f"  {text}")
            case "warning":
                self._progress.console.print(
                    f"  warning: {text}", markup=False, highlight=False, style="yellow"
                )
            case _:
                pass

    def _draw_overall(self) -> None:
        """Bring the lines for all folders and for those that are being made up to date."""
        overall = self._overall
        if not overall.total:
            return
        if self._whole is None:
            self._whole = self._progress.add_task("all", total=overall.total, far="", left=None)
        done, total, far = overall.done, overall.total, count_overall(overall)
        self._progress.update(
            self._whole, completed=done, total=total, far=far, left=overall.left()
        )
        self._draw_makings()

    def _draw_makings(self) -> None:
        titles = {show(one.title): one for one in self._overall.makings if one.title}
        for title in [one for one in self._rows if one not in titles]:
            self.finish()
            task, began = self._rows.pop(title)
            self._progress.remove_task(task)
            self._print(f"- {title} ({self._clock() - began:.1f} s)")
        for title, making in titles.items():
            if title not in self._rows:
                task = self._progress.add_task(title, total=None, far="")
                self._rows[title] = (task, self._clock())
            shares = list(self._overall.share(making))
            done, size = sum(done for _, done, _ in shares), sum(size for *_, size in shares)
            known = size if making.forecast and size else None
            far = how_far(Event(kind="progress", done=done, total=size, unit="B")) if known else ""
            self._progress.update(self._rows[title][0], completed=done, total=known, far=far)

    def finish(self) -> None:
        """Replace the live line by a final one that says how long the step took."""
        if self._task is None:
            return
        self._progress.remove_task(self._task)
        self._task = None
        seconds = self._clock() - self._began
        self._print(f"- {self._text} ({seconds:.1f} s)")

    def _print(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False)


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
    from rich.progress import Progress

    console = Console() if is_notebook else Console(file=without_filter(stream))
    with Progress(*columns(), console=console, transient=True) as progress:
        bars = Bars(progress)
        try:
            yield bars
        finally:
            bars.finish()


def columns() -> tuple[ProgressColumn, ...]:
    """Return the columns of the live lines: what, bar, how far, elapsed, and remaining time.

    In a narrow window what is being done is cut short, and the bar, before any figure is. The time
    that remains of all is not what the bar's own speed suggests: its task says it.
    """
    from rich.progress import (
        BarColumn,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Title(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(task.description, no_wrap=True, overflow="ellipsis")

    class Remaining(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            if "left" not in task.fields:
                return super().render(task)
            return Text(clock_time(task.fields["left"]), style="progress.remaining")

    return (
        SpinnerColumn(),
        Title(),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[far]}"),
        TimeElapsedColumn(),
        Remaining(compact=True),
    )


def clock_time(seconds: float | None) -> str:
    """Return seconds as rich writes them: `05:07`, `1:05:07`, or `--:--` if they are not known."""
    if seconds is None:
        return "--:--"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"

"""Watches the child process of a task: its memory, its time, and whether it still works."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount

_POLL = 0.1
_STIR = 0.02
"""The CPU time, in seconds, that a process must use to count as working."""

_IDLE = 300.0
"""After this many seconds without CPU use, a warning says that the child may be stuck."""

LATER = "run again when this machine has nothing else to do"
CLOSE = "close other programs and run again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a task may take: seconds of time, and a share of this machine's memory.

    A process that takes more is killed, and the error says of what it took too much.
    """

    seconds: float
    memory: float = 0.9


BOUNDS: Mapping[str, Bounds] = {
    "answers": Bounds(seconds=3600),
    "draw_loaded": Bounds(seconds=3600),
    "load": Bounds(seconds=1800),
    "placement": Bounds(seconds=600),
}
"""The bounds of the tasks for Core ML, which may hang; other tasks have none.

A small Mac has no room for the answers of a large program. Apple's package reports loads of SDXL
for the Neural Engine that took many minutes.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """What a process took more of than it may, in words, and what to do."""

    took: str
    remedy: str


@contextmanager
def watch_process(
    pid: int, emit: Emit, bounds: Bounds | None
) -> Iterator[tuple[Callable[[], int], Callable[[], Excess | None]]]:
    """Watch a process, and kill it if it exceeds the bounds.

    Yields two functions: one returns its peak resident memory in bytes, the other what it took too
    much of, `None` if it kept within the bounds. Emits a warning if the process has used no CPU
    time for `_IDLE` seconds.
    """
    import psutil

    peak = 0
    excess: Excess | None = None
    over = threading.Event()

    def watch() -> None:
        nonlocal peak, excess
        with suppress(psutil.Error, OSError, ValueError):  # it ended, or output is closed
            process, busy, since = psutil.Process(pid), 0.0, time.monotonic()
            began = since
            while not over.wait(_POLL):
                peak = max(peak, process.memory_info().rss)
                if bounds and (excess := _find_excess(bounds, time.monotonic() - began, peak)):
                    process.kill()
                    return
                now = sum(process.cpu_times()[:2])
                if now - busy > _STIR:
                    busy, since = now, time.monotonic()
                elif time.monotonic() - since > _IDLE:
                    emit(Event(kind="warning", text=_silence(_IDLE)))
                    since = math.inf

    thread = threading.Thread(target=watch, daemon=True)
    with suppress(RuntimeError):  # no thread can start: the peak is reported as 0
        thread.start()
    try:
        yield lambda: peak, lambda: excess
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()


def _find_excess(bounds: Bounds, seconds: float, memory: int) -> Excess | None:
    """Return what a process took more of than it may, `None` if nothing."""
    import psutil

    if seconds > bounds.seconds:
        return Excess(took=f"more than {bounds.seconds:,.0f} seconds", remedy=LATER)
    if memory > bounds.memory * psutil.virtual_memory().total:
        return Excess(took=f"{amount(memory)} of memory", remedy=CLOSE)
    return None


def _silence(seconds: float) -> str:
    return (
        f"the child process has done nothing for {seconds / 60:.0f} minutes; it may be"
        " stuck: Ctrl-C ends it and leaves no partial result"
    )

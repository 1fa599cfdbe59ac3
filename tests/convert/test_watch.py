"""A child's memory, time and silence, by a process and a clock that are told what to show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import psutil
import pytest

from sdcoreml.convert import watch
from sdcoreml.convert.watch import CLOSE, LATER, Bounds, Excess, watch_process
from sdcoreml.ground.events import Emit, Event, silent

Look = tuple[float, int, float]
"""What the watcher sees once: the clock, the resident memory, and the CPU time so far."""


@dataclass
class Process:
    """A process that shows these in turn, then is gone."""

    looks: Sequence[Look]
    killed: bool = False
    seen: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    def memory_info(self) -> SimpleNamespace:
        if self.seen == len(self.looks):
            self.gone.set()
            raise psutil.NoSuchProcess(1)
        self.seen += 1
        return SimpleNamespace(rss=self.looks[self.seen - 1][1])

    def cpu_times(self) -> tuple[float, float, float]:
        used = self.looks[self.seen - 1][2]
        return used / 4, used - used / 4, 10**6

    def kill(self) -> None:
        self.killed = True
        self.gone.set()

    def now(self) -> float:
        return self.looks[self.seen - 1][0] if self.seen else 0.0


Watch = Callable[..., tuple[Process, int, "Excess | None"]]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(watch, "_POLL", 0)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=1000))

    def run(
        looks: Sequence[Look], bounds: Bounds | None = None, emit: Emit = silent
    ) -> tuple[Process, int, Excess | None]:
        process = Process(looks)
        monkeypatch.setattr(psutil, "Process", lambda _: process)
        monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=process.now))
        with watch_process(1, emit, bounds) as (peak, excess):
            assert process.gone.wait(20)
        return process, peak(), excess()

    return run


def test_the_peak_is_the_most_memory_that_was_seen(watched: Watch) -> None:
    process, peak, excess = watched([(1, 300, 1), (2, 700, 2), (10**6, 500, 3)])
    assert (peak, excess, process.killed) == (700, None, False)


@pytest.mark.parametrize(
    ("last", "excess"),
    [
        ((10, 500, 1), None),
        ((10.5, 500, 1), Excess(took="more than 10 seconds", remedy=LATER)),
        ((10, 501, 1), Excess(took="501 bytes of memory", remedy=CLOSE)),
    ],
)
def test_what_takes_more_than_it_may_is_killed_and_not_watched_any_more(
    last: Look, excess: Excess | None, watched: Watch
) -> None:
    within = (5, 400, 1)
    found = watched([within, last, within], Bounds(seconds=10, memory=0.5))
    assert (found[0].killed, found[2]) == (excess is not None, excess)
    assert found[0].seen == (2 if excess else 3)


def test_each_silence_of_five_minutes_is_told_once(watched: Watch) -> None:
    events: list[Event] = []
    looks = [(10, 1.0), (310, 1.0), (311, 1.0), (700, 1.01), (2000, 1.02)]
    assert not watched([(now, 1, used) for now, used in looks[:2]], emit=events.append)[2]
    assert events == []
    watched([(now, 1, used) for now, used in looks], emit=events.append)
    said = (
        "the child process has done nothing for 5 minutes; it may be stuck: Ctrl-C ends it and"
        " leaves no partial result"
    )
    assert events == [Event(kind="warning", text=said)]
    looks += [(2001, 2.0), (2301, 2.0), (2302, 2.0)]
    watched([(now, 1, used) for now, used in looks], emit=events.append)
    assert len(events) == 3


def test_a_process_that_barely_stirs_does_nothing(watched: Watch) -> None:
    events: list[Event] = []
    watched([(200, 1, 0.02), (301, 1, 0.02)], emit=events.append)
    assert len(events) == 1
    watched([(200, 1, 0.03), (301, 1, 0.03)], emit=events.append)
    assert len(events) == 1

"""The forecast of a conversion: how far it is, and when it will be done, by a clock of the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.ground.events import Event
from sdcoreml.ground.labour import (
    Forecast,
    Labour,
    auditing,
    clustering,
    comparing,
    compiling,
    drawing,
    hashing,
    plan,
    reading,
    tell,
    writing,
)

SECOND = 1e9


def told(kind: Labour, seconds: float) -> Event:
    """Return the event of some work that takes this many seconds where rates were measured."""
    events: list[Event] = []
    tell(events.append, kind, seconds * SECOND)
    return events[0]


def begin(workers: int = 1, **seconds: float) -> Forecast:
    amounts = {Labour(kind): amount * SECOND for kind, amount in seconds.items()}
    return Forecast.of(plan(amounts, workers), 100.0)


def test_nothing_is_said_before_something_is_done() -> None:
    forecast = begin(read=10, audit=20)
    assert forecast.fraction == 0
    assert forecast.left(100) is None
    forecast.advance(told(Labour.READ, 0.1), 100.1)
    assert forecast.left(100.1) is None


@pytest.mark.parametrize("slowness", [0.5, 1.0, 7.0])
def test_a_machine_s_speed_is_what_its_work_so_far_took(slowness: float) -> None:
    forecast = begin(read=10, cluster=20, audit=10)
    forecast.advance(told(Labour.READ, 10), 100 + 10 * slowness)
    assert forecast.fraction == pytest.approx(0.25)
    assert forecast.left(100 + 10 * slowness) == pytest.approx(30 * slowness)


def test_each_kind_of_work_has_its_own_speed() -> None:
    forecast = begin(read=10, cluster=20, audit=10)
    forecast.advance(told(Labour.READ, 10), 110)
    forecast.advance(told(Labour.CLUSTER, 10), 150)  # four times as slow
    left = forecast.left(150)
    so_far = 50 / 20
    clustering_so_far = (40 + 4 * so_far) / (10 + 4)  # a fifth counts at the speed of all
    assert left == pytest.approx(10 * clustering_so_far + 10 * so_far)


def test_the_slow_beginning_of_a_kind_is_not_taken_for_its_speed() -> None:
    forecast = begin(read=10, audit=10)
    forecast.advance(told(Labour.READ, 10), 110)
    forecast.advance(told(Labour.AUDIT, 1), 113)  # two seconds to start, and one of work
    left = forecast.left(113)
    assert left is not None
    assert left < 9 * 2 < 9 * 3


def test_workers_share_some_kinds_of_work_only() -> None:
    forecast = begin(workers=2, read=10, cluster=20)
    forecast.advance(told(Labour.READ, 10), 110)
    assert forecast.fraction == pytest.approx(0.5)
    assert forecast.left(110) == pytest.approx(10)
    forecast.advance(told(Labour.CLUSTER, 10), 115)
    assert forecast.fraction == pytest.approx(0.75)
    assert forecast.left(115) == pytest.approx(5)


def test_time_goes_by_between_events_but_never_beyond_the_end() -> None:
    forecast = begin(read=10)
    forecast.advance(told(Labour.READ, 5), 105)
    assert forecast.left(107) == pytest.approx(3)
    assert forecast.left(200) == 0
    forecast.advance(told(Labour.READ, 50), 210)
    assert forecast.fraction == 1
    assert forecast.left(210) == 0


def test_wider_codes_and_more_palettes_are_more_work() -> None:
    assert clustering(1000, 2) < clustering(1000, 6) < clustering(1000, 8)
    assert clustering(1000, 6) < clustering(1000, 6, palettes=4)
    assert writing(1000, rounded=False) < writing(1000, rounded=True)
    assert comparing(1000) < auditing(1000)


STREAMS = json.loads(Path(__file__).with_name("streams.json").read_text(encoding="utf-8"))
"""Plans and events of real conversions: for each event its second, kind and amount.

Seconds are CPU seconds of the whole process tree with one worker, since others used the machine.
"""


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("part", [1 / 3, 1 / 2, 2 / 3])
def test_the_end_of_a_real_conversion_is_foreseen(name: str, part: float) -> None:
    stream = STREAMS[name]
    end = stream["seconds"]
    forecast = Forecast.of(Event(kind="plan", data=stream["plan"]), 0.0)
    for second, kind, amount in stream["events"]:
        if second > part * end:
            break
        forecast.advance(Event(kind="labour", text=kind, done=amount), second)
    left = forecast.left(part * end)
    assert left == pytest.approx((1 - part) * end, rel=0.2)


def test_what_each_kind_of_work_takes() -> None:
    assert reading(1_000) == 1_050
    assert hashing(1_000) == 780
    assert drawing(10) == 3e6
    assert writing(1_000, rounded=True) == 7_800
    assert writing(1_000, rounded=False) == 2_900
    assert auditing(1_000) == 6_800
    assert comparing(1_000) == 1_700
    assert compiling(10) == 6e6
    assert clustering(1_000, 4) == 3_300 + 10e6
    assert clustering(1_000, 8, 3) == 3_300 + 3 * 72e6
    assert clustering(1_000, 16) == 3_300


def test_a_plan_shares_the_work_of_all_workers() -> None:
    amounts = {Labour.READ: 8.0, Labour.CLUSTER: 8.0, Labour.WRITE: 6.0, Labour.AUDIT: 4.0}
    assert plan({**amounts, Labour.HASH: 2.0}, 2) == Event(
        kind="plan",
        data={
            "amounts": {"read": 8.0, "cluster": 4.0, "write": 3.0, "audit": 2.0, "hash": 2.0},
            "workers": 2,
        },
    )
    events: list[Event] = []
    tell(events.append, Labour.COMPILE, 2.6)
    assert events == [Event(kind="labour", text="compile", done=3)]


def test_a_plan_that_says_nothing_is_done_at_once() -> None:
    forecast = Forecast.of(Event(kind="plan"), 5.0)
    assert (forecast.amounts, forecast.workers, forecast.begun) == ({}, 1, 5.0)
    assert forecast.fraction == 1.0


def test_the_first_fiftieth_says_nothing_of_the_time() -> None:
    forecast = begin(read=100)
    forecast.advance(told(Labour.READ, 1.9), 102)
    assert forecast.left(102) is None
    forecast.advance(told(Labour.READ, 0.1), 102)
    assert forecast.left(102) == pytest.approx(98)


def test_a_kind_without_work_takes_no_time() -> None:
    forecast = begin(read=10, audit=0)
    forecast.advance(told(Labour.READ, 5), 105)
    assert forecast.left(105) == pytest.approx(5)

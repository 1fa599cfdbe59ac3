from __future__ import annotations

from sdcoreml.doctor.core.overall import Expected, Overall, begin, end, expect
from sdcoreml.ground.events import Event
from sdcoreml.ground.labour import Labour, plan

GB = 10**9


def folder(name: str, size: int = GB) -> Expected:
    return Expected(folder=name, model="m", bytes=size)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def work(done: float) -> Event:
    return Event(kind="labour", text="read", done=int(done * 1e9))


def test_bytes_follow_the_work_of_the_folders_that_are_being_made() -> None:
    clock = Clock()
    overall = Overall(clock)
    overall.hear(expect([folder("a"), folder("b", 3 * GB), folder("c")]))
    assert (overall.folders, overall.total, overall.done) == (3, 5 * GB, 0)
    overall.hear(begin(["a", "b"], "1 of 2: m"))
    overall.hear(plan({Labour.READ: 100e9}, 1))
    clock.now = 25.0
    overall.hear(work(25))
    assert list(overall.running()) == [("a", GB // 4, GB), ("b", 3 * GB // 4, 3 * GB)]
    assert overall.done == GB
    overall.hear(end("a", None))
    assert list(overall.running()) == [("b", 3 * GB // 4, 3 * GB)]
    overall.hear(end("b", None))
    assert (overall.ended, overall.done, overall.makings) == (2, 4 * GB, [])
    assert overall.elapsed == 25


def test_the_rest_takes_as_long_by_the_byte_as_what_this_run_made() -> None:
    clock = Clock()
    overall = Overall(clock)
    overall.hear(expect(map(folder, "abcd")))
    assert overall.left() is None
    overall.hear(end("d", None, was_there=True))
    assert overall.left() is None, "what was there says nothing about the time"
    clock.now = 1000.0  # nothing was made meanwhile: it does not count
    overall.hear(begin(["a"]))
    clock.now += 60
    overall.hear(end("a", None))
    assert overall.left() == 120
    overall.hear(begin(["b"]))
    overall.hear(plan({Labour.READ: 100e9}, 1))
    clock.now += 30
    overall.hear(work(50))
    assert overall.left() == 30 + 90 / 1.5


def test_a_single_folder_is_forecast_by_its_own_work() -> None:
    clock = Clock()
    overall = Overall(clock)
    overall.hear(expect([folder("a")]))
    overall.hear(begin(["a"]))
    overall.hear(plan({Labour.READ: 100e9}, 1))
    assert overall.left() is None
    clock.now = 10.0
    overall.hear(work(50))
    assert overall.left() == 10


def test_what_failed_together_is_tried_again_one_by_one() -> None:
    overall = Overall(Clock())
    overall.hear(expect([folder("a"), folder("b")]))
    overall.hear(begin(["a", "b"]))
    overall.hear(begin(["a"]))
    assert [one.folders for one in overall.makings] == [("a",)]
    overall.hear(end("a", None))
    overall.hear(end("a", None))
    assert (overall.ended, overall.done) == (1, GB)


def test_several_machines_make_folders_at_once() -> None:
    overall = Overall(Clock())
    overall.hear(expect([folder("a"), folder("b")]))
    overall.hear(begin(["a"], "a, on mac"))
    overall.hear(begin(["b"], "b, on box"))
    assert [one.title for one in overall.makings] == ["a, on mac", "b, on box"]
    overall.hear(end("a", None))
    assert [one.title for one in overall.makings] == ["b, on box"]


def test_events_that_come_too_early_change_nothing() -> None:
    overall = Overall(Clock())
    overall.hear(plan({Labour.READ: 100e9}, 1))
    overall.hear(work(50))
    overall.hear(end("", {"state": "failed"}))
    assert (overall.folders, overall.ended, overall.total, overall.left()) == (0, 0, 0, None)


def test_what_is_begun_once_more_has_not_ended() -> None:
    clock = Clock()
    overall = Overall(clock)
    overall.hear(expect([folder("a"), folder("b")]))
    for _ in range(2):
        overall.hear(begin(["a"]))
        assert (overall.ended, overall.done) == (0, 0)
        clock.now += 60
        overall.hear(end("a", None))
    assert (overall.ended, overall.done) == (1, GB)
    assert overall.left() == 120, "a is made of two tries"

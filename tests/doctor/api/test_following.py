"""Events come as they are told; closing ends the work and waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from sdcoreml.doctor.api.following import follow
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Event, silent


def step(text: str) -> Event:
    return Event(kind="step", text=text)


def count(most: int, *, on_event: Callable[[Event], None] = silent) -> int:
    for number in range(most):
        on_event(step(f"{number}"))
    return most


def test_events_come_in_order_and_then_the_result() -> None:
    with follow(count, 3) as events:
        assert [event.text for event in events] == ["0", "1", "2"]
        assert list(events) == []
    assert events.result == 3


def test_leaving_ends_the_work_and_cleans_up() -> None:
    cleaned = []

    def work(*, on_event: Callable[[Event], None] = silent) -> None:
        try:
            while True:
                on_event(step("again"))
        except Exception:  # noqa: BLE001  the code for errors must not see it
            cleaned.append("as an error")
        finally:
            cleaned.append("finally")

    with follow(work) as events:
        assert next(events).text == "again"
    assert cleaned == ["finally"]
    with pytest.raises(RuntimeError, match="ended before it had a result"):
        _ = events.result


def test_an_event_of_another_thread_does_not_end_that_thread() -> None:
    told = threading.Event()
    ended = []

    def work(*, on_event: Callable[[Event], None] = silent) -> None:
        def watch() -> None:
            told.wait()
            on_event(step("from the watch"))
            ended.append("well")

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            on_event(step("begun"))
            told.wait()
            on_event(step("never told"))
        finally:
            watcher.join()

    events = follow(work)
    assert next(events).text == "begun"
    events._ending.set()
    told.set()
    events.close()
    assert [event.text for event in events] == ["from the watch"]
    assert ended == ["well"]


def test_an_error_is_raised_where_somebody_waits() -> None:
    def work(*, on_event: Callable[[Event], None] = silent) -> None:
        on_event(step("begun"))
        raise BadInputError("no such file", where="model")

    with follow(work) as events:
        assert next(events).text == "begun"
        with pytest.raises(BadInputError, match="no such file"):
            next(events)
    with pytest.raises(BadInputError, match="no such file"):
        _ = events.result

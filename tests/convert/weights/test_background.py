from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from sdcoreml.convert.weights.background import Background


def test_tasks_are_done_one_after_the_other_and_all() -> None:
    done: list[int] = []
    background = Background()
    for number in range(100):
        background.do(partial(done.append, number))
    background.close()
    assert done == list(range(100))


def test_the_next_task_waits_for_the_last() -> None:
    events: list[str] = []
    background = Background()

    def slowly() -> None:
        time.sleep(0.05)
        events.append("first is done")

    background.do(slowly)
    background.do(lambda: None)
    events.append("second is started")
    background.close()
    assert events == ["first is done", "second is started"]


@pytest.mark.parametrize("ask", ["wait", "close"])
def test_an_error_is_raised_where_it_is_asked_for_and_once(ask: str) -> None:
    background = Background()
    background.do(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        getattr(background, ask)()
    background.close()


def test_an_error_is_raised_at_the_next_task() -> None:
    background = Background()
    background.do(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        background.do(lambda: None)
    background.close()


def test_no_thread_without_a_task_and_none_after_the_end() -> None:
    before = threading.active_count()
    background = Background()
    background.wait()
    background.close()
    assert threading.active_count() == before
    background.do(lambda: None)
    assert threading.active_count() == before + 1
    background.close()
    assert threading.active_count() == before

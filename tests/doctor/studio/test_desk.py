from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine

import pytest

from sdcoreml.doctor.studio.desk import Desk, Hand


def run(play: Coroutine[None, None, None]) -> None:
    """Run what a test plays; one in which something never comes is over soon."""
    asyncio.run(asyncio.wait_for(play, 20))


def test_one_thing_is_done_after_another_and_quick_ones_do_not_wait_for_slow_ones() -> None:
    done: list[str] = []
    may_end = threading.Event()

    def slow(name: str) -> str:
        may_end.wait(30)
        done.append(name)
        return name

    async def play() -> None:
        desk = Desk()
        first = asyncio.ensure_future(desk.do(lambda: slow("first"), "slow"))
        second = asyncio.ensure_future(desk.do(lambda: slow("second"), "slow"))
        assert await desk.do(lambda: "quick") == "quick"
        assert await desk.do(lambda: "drop", "drop") == "drop"
        assert done == []
        may_end.set()
        assert [*await asyncio.gather(first, second)] == ["first", "second"]
        assert done == ["first", "second"]
        desk.close()

    run(play())


def test_what_is_raised_is_raised_to_who_asked_and_the_next_is_done() -> None:
    def fail() -> None:
        raise KeyError("x")

    async def play() -> None:
        desk = Desk()
        with pytest.raises(KeyError):
            await desk.do(fail)
        assert await desk.do(lambda: 7) == 7
        desk.close()

    run(play())


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    begun: list[int] = []
    may_end = threading.Event()

    async def play() -> None:
        desk = Desk()
        first = asyncio.ensure_future(desk.do(lambda: may_end.wait(30), "slow"))
        second = asyncio.ensure_future(desk.do(lambda: begun.append(1), "slow"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        may_end.set()
        assert await first
        assert await desk.do(lambda: "after", "slow") == "after"
        desk.close()

    run(play())
    assert begun == []


def test_a_hand_has_a_thread_of_its_name_that_does_not_keep_the_process() -> None:
    async def play() -> None:
        desk = Desk()
        for name in ("quick", "slow", "drop"):
            thread = await desk.do(threading.current_thread, name)
            assert (thread.name, thread.daemon) == (name, True)
        assert await desk.do(threading.current_thread) is await desk.do(threading.current_thread)
        assert (await desk.do(threading.current_thread)).name == "quick"
        desk.close()

    run(play())


def test_at_the_end_what_is_being_done_is_waited_for_and_nothing_more_is_begun() -> None:
    begun, may_end = threading.Event(), threading.Event()
    done: list[str] = []

    def work() -> None:
        begun.set()
        may_end.wait(30)
        done.append("first")

    async def play() -> None:
        hand = Hand("one")
        first = asyncio.ensure_future(hand.do(work))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 10)
        threading.Timer(0.05, may_end.set).start()
        hand.close()
        assert done == ["first"]
        late = asyncio.ensure_future(hand.do(lambda: done.append("late")))
        await first
        await asyncio.sleep(0.01)
        assert (late.done(), done) == (False, ["first"])
        late.cancel()

    run(play())


def test_a_desk_closes_all_its_hands() -> None:
    async def play() -> None:
        desk = Desk()
        threads = [await desk.do(threading.current_thread, one) for one in ("quick", "slow")]
        threads.append(await desk.do(threading.current_thread, "drop"))
        desk.close()
        assert [one.is_alive() for one in threads] == [False] * 3

    run(play())


def test_what_ends_after_the_loop_tells_nobody() -> None:
    begun, may_end = threading.Event(), threading.Event()
    hands: list[Hand] = []

    def work() -> None:
        begun.set()
        may_end.wait(30)

    async def play() -> None:
        hands.append(hand := Hand("one"))
        waiting = asyncio.ensure_future(hand.do(work))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 10)
        waiting.cancel()

    run(play())
    may_end.set()
    hands[0].close()

from __future__ import annotations

import asyncio
import threading

import pytest

from sdcoreml.doctor.studio.desk import Desk


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

    asyncio.run(play())


def test_what_is_raised_is_raised_to_who_asked_and_the_next_is_done() -> None:
    def fail() -> None:
        raise KeyError("x")

    async def play() -> None:
        desk = Desk()
        with pytest.raises(KeyError):
            await desk.do(fail)
        assert await desk.do(lambda: 7) == 7
        desk.close()

    asyncio.run(play())


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

    asyncio.run(play())
    assert begun == []

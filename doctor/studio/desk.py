"""Does what the page asks in threads, one thing at a time, so that the server always answers.

The tool's functions are not made to run at once in one process. What takes long, such as the
doctor, has a thread of its own: a listing does not wait for it. So do dropped files, whose last
piece waits until gigabytes are on the disk.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any, Literal, TypeAlias, TypeVar, get_args

T = TypeVar("T")

_GRACE = 3.0
"""Seconds that the end of the server waits for what is being done, such as a question to a hub."""

Result = tuple[Any, BaseException | None]


class Hand:
    """One thread that does one thing after another.

    It does not keep the process: what waits for a network at the end is given up.
    """

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def tell(value: Any, error: BaseException | None) -> None:  # noqa: ANN401  whatever it is
            if done.cancelled():
                return
            if error is None:
                done.set_result(value)
            else:
                done.set_exception(error)

        def run() -> None:
            if done.cancelled():
                return  # the page went away before its turn came
            try:
                result: Result = (work(), None)
            except BaseException as error:  # noqa: BLE001  it is raised again, in the loop
                result = (None, error)
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, *result)

        self._work.put(run)
        return await done

    def close(self) -> None:
        """Begin nothing more, and wait a moment for what is being done."""
        self._work.put(None)
        self._thread.join(_GRACE)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


Name: TypeAlias = Literal["quick", "slow", "drop"]
"""The threads: for what is done in an instant, for what takes long, and for dropped files."""


class Desk:
    """A thread for each kind of work."""

    def __init__(self) -> None:
        self._hands: Mapping[Name, Hand] = {name: Hand(name) for name in get_args(Name)}

    async def do(self, work: Callable[[], T], hand: Name = "quick") -> T:
        """Return what `work` returns, or raise what it raises."""
        return await self._hands[hand].do(work)

    def close(self) -> None:
        """Begin nothing more, and wait a moment for what is being done."""
        for one in self._hands.values():
            one.close()

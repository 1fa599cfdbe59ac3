from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

from sdcoreml.doctor.studio.gate import Message
from sdcoreml.doctor.studio.stream import Data, Feed
from sdcoreml.ground.errors import BadInputError

QUEUE = {"is_paused": False, "entries": [{"id": "1", "title": "\u00e4\udcff"}]}


class Watched:
    """A queue that a test changes; it counts how often it is looked at and read."""

    def __init__(self) -> None:
        self.version = 0
        self.looks = 0
        self.reads = 0
        self.done: list[Data] = []
        self.fails = False
        self.looked = asyncio.Event()

    def stamp(self) -> str:
        self.looks += 1
        self.looked.set()
        if self.fails:
            raise BadInputError("gone")
        return f"{self.version}"

    def queue(self) -> Data:
        self.reads += 1
        return {**QUEUE, "version": self.version}

    def progress(self) -> Iterable[Data]:
        return self.done


async def at_once(work: Callable[[], Data]) -> Data:
    return work()


class Page:
    """A page that listens."""

    def __init__(self, feed: Feed) -> None:
        self.said = b""
        self.status = 0
        self.is_over = False
        self._gone, self._told = asyncio.Event(), asyncio.Event()
        self._asked = False
        self.task = asyncio.ensure_future(feed({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b""}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.said += message.get("body", b"")
        self._told.set()
        self.is_over = message["type"] == "http.response.body" and not message.get("more_body")

    async def leave(self) -> None:
        self._gone.set()
        await self.task

    def events(self) -> list[tuple[str, Any]]:
        blocks = [block.split("\n") for block in self.said.decode("ascii").split("\n\n")]
        return [
            (lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: ")))
            for lines in blocks
            if len(lines) == 2
        ]

    async def hears(self, count: int) -> None:
        while len(self.events()) < count:
            await self.breathes()

    async def breathes(self) -> None:
        """Wait until the page is told something."""
        self._told.clear()
        await self._told.wait()


def test_a_page_hears_the_queue_at_once_and_each_change_of_it() -> None:
    async def play() -> None:
        watched = Watched()
        feed = Feed(watched, at_once)
        page = Page(feed)
        await page.hears(1)
        assert page.events() == [("queue", {**QUEUE, "version": 0})]
        watched.version = 1
        feed.nudge()
        await page.hears(2)
        assert page.events()[1] == ("queue", {**QUEUE, "version": 1})
        reads = watched.reads
        for _ in range(5):
            watched.looked.clear()
            feed.nudge()
            await watched.looked.wait()
        assert watched.reads == reads, "what has not changed is not read"
        await page.leave()

    asyncio.run(play())


def test_progress_is_told_where_it_differs() -> None:
    async def play() -> None:
        watched = Watched()
        feed = Feed(watched, at_once)
        page = Page(feed)
        await page.hears(1)
        watched.done = [{"id": "1", "done": 5}, {"id": "2", "done": 1}]
        feed.nudge()
        await page.hears(3)
        watched.done = [{"id": "1", "done": 6}, {"id": "2", "done": 1}]
        feed.nudge()
        await page.hears(4)
        assert page.events()[1:] == [
            ("progress", {"id": "1", "done": 5}),
            ("progress", {"id": "2", "done": 1}),
            ("progress", {"id": "1", "done": 6}),
        ]
        await page.leave()

    asyncio.run(play())


def watches(feed: Feed) -> bool:
    return feed.is_watching


def test_nothing_is_looked_at_while_nobody_listens() -> None:
    async def play() -> None:
        watched = Watched()
        feed = Feed(watched, at_once)
        assert watches(feed) is False
        first, second = Page(feed), Page(feed)
        await first.hears(1)
        await second.hears(1)
        await first.leave()
        assert watches(feed) is True
        await second.leave()
        assert watches(feed) is False
        looks = watched.looks
        feed.nudge()
        for _ in range(20):
            await asyncio.sleep(0)
        assert watched.looks == looks
        third = Page(feed)
        await third.hears(1)
        await third.leave()

    asyncio.run(play())


def test_the_end_of_the_server_ends_every_answer() -> None:
    async def play() -> None:
        feed = Feed(Watched(), at_once)
        page = Page(feed)
        await page.hears(1)
        feed.close()
        await page.task
        assert page.is_over
        late = Page(feed)
        await late.task
        assert late.is_over
        assert not feed.is_watching

    asyncio.run(play())


def test_a_queue_that_cannot_be_read_lets_pages_come_again() -> None:
    async def play() -> None:
        watched = Watched()
        watched.fails = True
        feed = Feed(watched, at_once)
        page = Page(feed)
        await page.task
        assert page.is_over
        watched.fails = False
        again = Page(feed)
        await again.hears(1)
        await again.leave()

    asyncio.run(play())


def test_a_page_that_goes_in_the_middle_of_an_answer_is_forgotten() -> None:
    async def play() -> None:
        feed = Feed(Watched(), at_once)

        async def receive() -> Message:
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                raise ConnectionResetError

        await feed({"type": "http"}, receive, send)
        assert not feed.is_watching

    asyncio.run(play())


def test_a_silent_queue_breathes() -> None:
    async def play() -> None:
        page = Page(Feed(Watched(), at_once, breath=0.001))
        await page.hears(1)
        await page.breathes()
        await page.breathes()
        assert page.said.endswith(b": here\n\n: here\n\n")
        await page.leave()

    asyncio.run(play())

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.studio.gate import Message
from sdcoreml.doctor.studio.stream import Data, Feed
from sdcoreml.ground.errors import BadInputError

QUEUE = {"is_paused": False, "entries": [{"id": "1", "title": "\u00e4\udcff"}]}


def run(play: Coroutine[None, None, None]) -> None:
    """Run what a test plays; one in which something never comes is over soon."""
    asyncio.run(asyncio.wait_for(play, 20))


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

    run(play())


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

    run(play())


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

    run(play())


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

    run(play())


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

    run(play())


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

    run(play())


def test_a_silent_queue_breathes() -> None:
    async def play() -> None:
        page = Page(Feed(Watched(), at_once, breath=0.001))
        await page.hears(1)
        await page.breathes()
        await page.breathes()
        assert page.said.endswith(b": here\n\n: here\n\n")
        await page.leave()

    run(play())


def test_what_was_told_is_not_told_again_before_there_is_news() -> None:
    async def play() -> None:
        page = Page(Feed(Watched(), at_once))
        await page.hears(1)
        said = page.said
        for _ in range(50):
            await asyncio.sleep(0)
        assert page.said == said
        await page.leave()

    run(play())


def test_of_news_that_pile_up_only_the_last_of_each_kind_is_told_in_their_order() -> None:
    async def play() -> None:
        watched = Watched()
        feed = Feed(watched, at_once)
        first, second = Page(feed), Page(feed)
        await first.hears(1)
        await second.hears(1)
        for done in (1, 2):
            watched.done = [{"id": "1", "done": done}, {"id": "2", "done": 5}]
            feed.nudge()
            await first.hears(1 + 2 * done - (done > 1))
        events = [("progress", {"id": one, "done": done}) for one, done in (("1", 1), ("2", 5))]
        assert first.events()[1:] == [*events, ("progress", {"id": "1", "done": 2})]
        third = Page(feed)
        await third.hears(3)
        assert [name for name, _ in third.events()] == ["queue", "progress", "progress"]
        for one in (first, second, third):
            await one.leave()

    run(play())


def test_an_answer_begins_with_its_kind_and_a_comment_and_ends_with_nothing() -> None:
    async def play() -> None:
        feed, sent = Feed(Watched(), at_once), list[Message]()

        async def receive() -> Message:
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if len(sent) == 3:
                feed.close()

        await feed({"type": "http"}, receive, send)
        assert sent[0] == {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/event-stream"), (b"connection", b"close")],
        }
        assert sent[1] == {"type": "http.response.body", "body": b": here\n\n", "more_body": True}
        told = b'event: queue\ndata: {"is_paused": false, "entries": [{"id": "1", "title": "\\u00e4'
        assert sent[2]["body"].startswith(told)
        assert sent[2]["more_body"] is True
        assert sent[-1] == {"type": "http.response.body", "body": b""}

    run(play())


def test_what_nobody_expected_lets_pages_go_and_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    async def broken(_: Callable[[], Data]) -> Data:
        raise KeyError("no such stamp")

    async def play() -> None:
        feed = Feed(Watched(), broken)
        page = Page(feed)
        await page.task
        assert (page.is_over, feed.is_watching) == (True, False)

    run(play())
    assert "no such stamp" in capsys.readouterr().err

"""Tells pages what happens in the queue, by server-sent events.

The truth is in the queue's folder, where the runner writes it, so somebody has to look. While at
least one page listens, a cheap stamp of the folder is compared a few times a second, and the queue
is read only if that differs. While nobody listens, nothing is looked at.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from sdcoreml.doctor.studio.gate import Receive, Scope, Send
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.exits import report_bug

LOOK = 0.4
"""Seconds between two looks at the folder."""

BREATH = 15.0
"""Seconds after which a comment shows a silent page that the server is there."""

Data = Mapping[str, object]


Do = Callable[[Callable[[], Data]], Awaitable[Data]]
"""Does something in a thread of the desk."""


class Watched(Protocol):
    """What is looked at: the queue, or a fake in tests. Each is called in a thread of the desk."""

    def stamp(self) -> str:
        """Return a text that differs when the queue has changed."""
        ...

    def queue(self) -> Data:
        """Return the whole queue, as the page shows it."""
        ...

    def progress(self) -> Iterable[Data]:
        """Return how far each entry is that is being done, with its `id`."""
        ...


@dataclass(eq=False)
class _Listener:
    """A page that listens: what it was not told yet. Only the last of each kind counts."""

    news: dict[str, bytes] = field(default_factory=dict)
    is_over: bool = False
    is_new: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, key: str, event: str, data: Data) -> None:
        text = json.dumps(data, allow_nan=False)
        self.news.pop(key, None)
        self.news[key] = f"event: {event}\ndata: {text}\n\n".encode("ascii")
        self.is_new.set()

    def let_go(self) -> None:
        """End the answer; the page asks again."""
        self.is_over = True
        self.is_new.set()

    def take(self) -> bytes:
        """Return all news, and forget them."""
        said = b"".join(self.news.values())
        self.news.clear()
        self.is_new.clear()
        return said


class Feed:
    """Looks at the queue while pages listen, and tells them."""

    def __init__(self, watched: Watched, do: Do, breath: float = BREATH) -> None:
        self._watched, self._do, self._breath = watched, do, breath
        self._listeners: set[_Listener] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._seen: str | None = None
        self._last: dict[str, Data] = {}
        self._nudged = asyncio.Event()
        self._is_closed = False

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a page with events until it goes away, or the server ends: an ASGI application."""
        headers = [(b"content-type", b"text/event-stream"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        listener = _Listener(is_over=self._is_closed)
        self._join(listener)
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})
            while not (gone.done() or listener.is_over):
                said = await self._next(listener, gone)
                await send({"type": "http.response.body", "body": said, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except OSError:
            pass  # it went away
        finally:
            gone.cancel()
            self._leave(listener)

    def nudge(self) -> None:
        """Look now: something was just changed."""
        self._nudged.set()

    def close(self) -> None:
        """Let all pages go, and those that come yet."""
        self._is_closed = True
        for one in self._listeners:
            one.let_go()

    @property
    def is_watching(self) -> bool:
        """Whether somebody listens, and the queue is looked at."""
        return self._watcher is not None

    async def _next(self, listener: _Listener, gone: asyncio.Future[None]) -> bytes:
        """Return what there is to tell, or a comment after a while."""
        news: asyncio.Future[bool] = asyncio.ensure_future(listener.is_new.wait())
        both: set[asyncio.Future[Any]] = {news, gone}
        try:
            await asyncio.wait(both, timeout=self._breath, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        return listener.take() or b": here\n\n"

    def _join(self, listener: _Listener) -> None:
        self._listeners.add(listener)
        self._seen = None  # it has to be told all
        self._last.clear()
        self.nudge()
        if self._watcher is None:
            self._watcher = asyncio.ensure_future(self._watch())

    def _leave(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners and self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _watch(self) -> None:
        try:
            while True:
                self._nudged.clear()
                await self._look()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._nudged.wait(), LOOK)
        except Exception as error:  # noqa: BLE001  no page may wait for news that never come
            if not isinstance(error, OSError | SdcoremlError):  # a folder that cannot be read now
                sys.stderr.write(f"{report_bug(error)}\n")
            self._watcher = None
            for one in self._listeners:
                one.let_go()

    async def _look(self) -> None:
        """Compare the stamp, and tell what has changed."""

        def look() -> Data:
            stamp = self._watched.stamp()
            queue = self._watched.queue() if stamp != self._seen else None
            return {"stamp": stamp, "queue": queue, "progress": list(self._watched.progress())}

        found = await self._do(look)
        self._seen = f"{found['stamp']}"
        if isinstance(found["queue"], Mapping):
            self._tell("queue", "queue", found["queue"])
        if isinstance(found["progress"], list):
            for one in found["progress"]:
                self._tell(f"progress {one['id']}", "progress", one)

    def _tell(self, key: str, event: str, data: Data) -> None:
        if self._last.get(key) == data:
            return
        self._last[key] = data
        for listener in self._listeners:
            listener.tell(key, event, data)


async def _until_gone(receive: Receive) -> None:
    """Wait until the page goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass

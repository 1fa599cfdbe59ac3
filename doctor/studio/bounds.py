"""What one who connects may take: seconds until a request has come, and connections in all.

uvicorn waits for ever for the head of a first request, and for as many as the system lets in; other
users of this machine can connect, too. Whoever asks nothing for a while is let go; where there are
too many, the one that has asked nothing for longest makes room. So the page, which asks at once, is
heard beside any number of others that do not.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Bounded(H11Protocol):
    """A connection that is let go unless a request comes within `patience` seconds."""

    patience: ClassVar[float] = 10.0
    """Seconds in which the head of a request must have come: it comes from this machine."""

    most: ClassVar[int] = 64
    """Connections at once. A browser has six for a site; macOS gives a process 256 files."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; one of those that ask nothing makes room, if there are too many."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            waiting = [one for one in self.connections if isinstance(one, Bounded) and one.ends]
            min(waiting, key=lambda one: one.ends).transport.abort()  # this one waits, too

    @property
    def ends(self) -> float:
        """When it is let go, as the loop counts; 0 while it is answered."""
        return self._waiting.when() if self._waiting else 0.0

    def data_received(self, data: bytes) -> None:
        """Hear a part of a request."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may be here in part."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        """Wait for a request from now on, unless it is waited for already."""
        self._waiting = self._waiting or self.loop.call_later(self.patience, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
        self._waiting = None

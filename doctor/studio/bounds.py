"""What one who connects may take: seconds until a request has come, and connections in all.

uvicorn waits for ever for a request's head and body, and for as many as the system lets in; other
users of this machine can connect, too. Whoever does not ask, or not to the end, is let go; where
there are too many, the oldest of those that have not shown the pass makes room. So the page, which
asks at once, is heard beside any number of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sdcoreml.doctor.studio.gate import KNOWN


class Bounded(H11Protocol):
    """A connection that is let go unless a request comes within `patience` seconds.

    All of a request must come in that time, and what answers it be taken. Who has shown the pass is
    the page: a request of it, once begun, takes as long as it takes.
    """

    patience: ClassVar[float] = 10.0
    """Seconds in which a request must have come: it comes from this machine."""

    most: ClassVar[int] = 64
    """Connections at once. A browser has six for a site; macOS gives a process 256 files."""

    since = 0.0
    """When it was made or last answered, as the loop counts."""

    is_let_go = False
    """Whether it was ended; it is there until the loop's next turn, in which many more may come."""

    _waiting: asyncio.TimerHandle | None = None
    _is_known = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; if there are too many, others make room."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self._wait()
        here = [one for one in self.connections if isinstance(one, Bounded) and not one.is_let_go]
        here.sort(key=lambda one: (one.is_known, one.since))
        for one in here[: max(0, len(here) - self.most)]:
            one.let_go()

    @property
    def is_known(self) -> bool:
        """Whether a request of this connection had the pass."""
        self._is_known = self._is_known or _had_pass(self.scope)
        return self._is_known

    def data_received(self, data: bytes) -> None:
        """Hear a part of a request."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        elif self.conn.their_state is not h11.SEND_BODY:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may be here in part, or for the answer to be taken."""
        self._is_known = self.is_known  # before the next request takes the place of this one
        self.since = self.loop.time()
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE or self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        """Wait from now on, unless something is waited for already."""
        self._waiting = self._waiting or self.loop.call_later(self.patience, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
        self._waiting = None

    def _give_up(self) -> None:
        """Let it go, unless it is the page and has asked."""
        self._waiting = None
        if self.conn.their_state is h11.IDLE or not self.is_known:
            self.let_go()

    def let_go(self) -> None:
        """End it; whatever is on the way is lost."""
        self.is_let_go = True
        self._stop_waiting()
        self.transport.abort()


def _had_pass(scope: Mapping[str, object] | None) -> bool:
    return scope is not None and KNOWN in scope  # there is none before the first request

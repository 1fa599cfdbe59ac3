"""Tickets: what a browser is started with in place of the token.

A browser gets an address as an argument, which every user of a machine can read for as long as the
browser runs (`ps`). So the address that is opened has a ticket, which the page exchanges for the
token at once: it is good for one use, and for a minute.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable

PREFIX = "once-"
LIFE = 60.0
"""Seconds for which a ticket is good: a browser may be slow to start."""

_MOST = 8
_BYTES = 32


class Tickets:
    """The tickets that were issued and not used; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._good: dict[str, float] = {}

    def issue(self) -> str:
        """Return a new ticket; of too many, the oldest is no longer good."""
        ticket = f"{PREFIX}{secrets.token_urlsafe(_BYTES)}"
        self._good[ticket] = self._clock() + LIFE
        while len(self._good) > _MOST:
            del self._good[next(iter(self._good))]
        return ticket

    def take(self, said: str) -> bool:
        """Whether this is a good ticket; from now on it is none."""
        for ticket, until in [*self._good.items()]:
            if hmac.compare_digest(ticket.encode(), said.encode("utf-8", "replace")):
                del self._good[ticket]
                return self._clock() < until
        return False

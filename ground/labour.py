"""The work of a conversion, by kind, and what is left of it.

Amounts are nanoseconds that the work took on the machine where it was measured (one core of an AMD
EPYC, 2026). Only their ratios matter: how fast this machine is shows as the work goes on, for each
kind of work by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sdcoreml.ground.events import Emit, Event


class Labour(Enum):
    """A kind of work."""

    READ = "read"
    """Hashing the model's files, and looking for numbers that are not finite."""
    DRAW = "draw"
    """Starting the builder, and building a program's graph."""
    CLUSTER = "cluster"
    WRITE = "write"
    AUDIT = "audit"
    """Looking for the nearest code of every element."""
    COMPARE = "compare"
    """Comparing weights that are stored as they are."""
    COMPILE = "compile"
    HASH = "hash"
    """Hashing the result."""


SHARED = frozenset({Labour.CLUSTER, Labour.WRITE, Labour.AUDIT})
"""The kinds of work that all workers share."""

_PER_ELEMENT = 3.3
_PER_PALETTE: Mapping[int, float] = {1: 5e6, 2: 5e6, 3: 7e6, 4: 10e6, 6: 25e6, 8: 72e6}
"""What one palette takes, by the width of its codes, beside what its elements take."""

_UNSURE = 0.2
"""The part of a kind of work that counts as if it had been done at the speed of all work so far.

The first amounts of a kind often took long, since they include what is done once, such as starting
a process; so a kind's own speed counts more, the more of it is done.
"""

_SOON = 0.02
"""The part of all work before which nothing can be said about the time."""


STARTING = 0.25e9
"""The amount of `DRAW` for starting the builder."""


def reading(nbytes: int) -> float:
    """Return the amount of `READ` for a file of this size."""
    return 1.05 * nbytes


def hashing(nbytes: int) -> float:
    """Return the amount of `HASH` for a file of this size."""
    return 0.78 * nbytes


def drawing(records: int) -> float:
    """Return the amount of `DRAW` for a program with so many records in its weight file."""
    return 0.3e6 * records


def clustering(elements: int, bits: int, palettes: int = 1) -> float:
    """Return the amount of `CLUSTER` for a weight."""
    return _PER_ELEMENT * elements + palettes * _PER_PALETTE.get(bits, 0.0)


def writing(elements: int, *, rounded: bool) -> float:
    """Return the amount of `WRITE` for a weight; `rounded` if codes are written."""
    return (7.8 if rounded else 2.9) * elements


def auditing(elements: int) -> float:
    """Return the amount of `AUDIT` for a weight that has codes."""
    return 6.8 * elements


def comparing(elements: int) -> float:
    """Return the amount of `COMPARE` for a weight."""
    return 1.7 * elements


def compiling(records: int) -> float:
    """Return the amount of `COMPILE` for a program with so many records in its weight file."""
    return 0.6e6 * records


def plan(amounts: Mapping[Labour, float], workers: int) -> Event:
    """Return the event that says how much work there will be."""
    data = {
        kind.value: amount / (workers if kind in SHARED else 1) for kind, amount in amounts.items()
    }
    return Event(kind="plan", data={"amounts": data, "workers": workers})


def tell(emit: Emit, kind: Labour, amount: float) -> None:
    """Emit that some work is done."""
    emit(Event(kind="labour", text=kind.value, done=round(amount)))


@dataclass(slots=True, kw_only=True)
class Forecast:
    """How far all the work is, and how long the rest will take.

    `amounts` are those of the plan, in seconds of all workers together; `begun` is when it began,
    by any clock that counts seconds.
    """

    amounts: Mapping[str, float]
    workers: int
    begun: float
    _done: dict[str, float] = field(default_factory=dict)
    _took: dict[str, float] = field(default_factory=dict)
    _last: float = -1.0

    @classmethod
    def of(cls, event: Event, now: float) -> Forecast:
        """Read the event of `plan`."""
        data = event.data if isinstance(event.data, dict) else {}
        amounts = {kind: amount / 1e9 for kind, amount in data.get("amounts", {}).items()}
        return cls(amounts=amounts, workers=data.get("workers", 1), begun=now)

    def advance(self, event: Event, now: float) -> None:
        """Count an event of `tell`. The time since the last one goes to its kind of work."""
        kind = event.text
        since = self.begun if self._last < 0 else self._last
        share = self.workers if Labour(kind) in SHARED else 1
        self._done[kind] = self._done.get(kind, 0.0) + event.done / 1e9 / share
        self._took[kind] = self._took.get(kind, 0.0) + now - since
        self._last = now

    @property
    def fraction(self) -> float:
        """The part of all work that is done, from 0 to 1."""
        total = sum(self.amounts.values())
        done = sum(self._within(kind) for kind in self.amounts)
        return done / total if total else 1.0

    def left(self, now: float) -> float | None:
        """Return the seconds that the rest will take; `None` while too little is done to say."""
        if self.fraction < _SOON:
            return None
        speed = sum(self._took.values()) / sum(self._done.values())
        rest = 0.0
        for kind, amount in self.amounts.items():
            done, unsure = self._done.get(kind, 0.0), _UNSURE * amount
            slow = (self._took.get(kind, 0.0) + unsure * speed) / (done + unsure) if amount else 0.0
            rest += slow * (amount - self._within(kind))
        waited = now - self._last  # what is being done now was begun that long ago
        return max(0.0, rest - waited)

    def _within(self, kind: str) -> float:
        return min(self._done.get(kind, 0.0), self.amounts[kind])

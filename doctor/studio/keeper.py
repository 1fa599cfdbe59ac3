"""Starts the queue's runner, also anew where it was killed, and remembers why it does not run.

A look at the queue must show it whatever happens, so nothing is raised here: what went wrong is a
fault of the queue, and the page shows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sdcoreml.doctor.queue.entry import State
from sdcoreml.doctor.queue.order import Queue
from sdcoreml.doctor.queue.starting import LOG
from sdcoreml.doctor.queue.store import Store
from sdcoreml.ground.errors import Fault, SdcoremlError

AGAIN = 5.0
"""Seconds after which a runner that should be at work, and is not, is started once more."""

_MOST_VAIN = 3
"""The starts in vain after which each further one waits twice as long as the one before."""

_LONGEST = 600.0
"""The most seconds between two starts."""


@dataclass(kw_only=True)
class Keeper:
    """Keeps the runner of the queue in `store` going; `start` starts it, `clock` counts seconds."""

    store: Store
    start: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    _started: float | None = None
    _is_idle: bool = False
    _vain: int = 0
    _work: object = None
    _refused: str = ""

    def begin(self) -> None:
        """Start the runner, if there is something to do; a runner that is there goes on."""
        self._vain = 0
        self._start()

    def look(self, queue: Queue) -> None:
        """Start a runner anew where one was killed: what waits is not to wait for a person."""
        waits = any(one.state is State.WAITING for one in queue.entries)
        self._is_idle = waits and not (queue.is_running or queue.is_paused)
        if not self._is_idle:
            return
        wait = min(AGAIN * 2 ** max(0, self._vain - _MOST_VAIN), _LONGEST)
        if self._started is not None and self.clock() - self._started <= wait:
            return
        work = [(one.id, one.state, one.tries) for one in queue.entries]
        self._vain = self._vain + 1 if work == self._work else 0
        self._work = work
        self._start()

    def fault(self) -> Fault | None:
        """Return why nothing is done though something waits, if that is so."""
        if not self._is_idle:
            return None
        if self._refused:
            return Fault(where="the queue", what=f"its work cannot be started: {self._refused}")
        if self._vain >= _MOST_VAIN:
            what = "its work was started several times, and ended before anything was done"
            return Fault(
                where="the queue",
                what=what,
                remedy=f"what it said last is in {self.store.folder / LOG}",
            )
        return None

    def _start(self) -> None:
        self._started, self._refused = self.clock(), ""
        try:
            self.start()
        except (OSError, SdcoremlError) as error:
            self._refused = str(error)

"""One thread beside the main one, for what the system does without the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

_STACK = 1 << 18
"""Bytes: the tasks are single calls, and the usual 8 MB weigh on a limited address space."""


class Background:
    """Does one task at a time; whoever brings the next one waits until the last is done."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._waiting = False

    def do(self, task: Callable[[], object]) -> None:
        """Start `task`. Raises what the one before it raised."""
        self.wait()
        if self._thread is None:
            self._thread = _started(self._work)
        self._waiting = True
        self._tasks.put(task)

    def wait(self) -> None:
        """Wait for the task that was started last. Raises what it raised."""
        if not self._waiting:
            return
        error = self._done.get()
        self._waiting = False
        if error:
            raise error

    def close(self) -> None:
        """Wait, and end the thread. Raises what the last task raised."""
        if self._thread is None:
            return
        self._tasks.put(None)
        self._thread.join()
        self._thread = None
        self.wait()

    def _work(self) -> None:
        while task := self._tasks.get():
            error: BaseException | None = None
            try:
                task()
            except BaseException as raised:  # noqa: BLE001  it is raised again where it is asked for
                error = raised
            self._done.put(error)


def _started(work: Callable[[], None]) -> threading.Thread:
    usual = threading.stack_size(_STACK)
    try:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
    finally:
        threading.stack_size(usual)
    return thread

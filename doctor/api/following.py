"""Runs a function of the API in a thread, and yields its events as they come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

from sdcoreml.ground.events import Event

T = TypeVar("T")
P = ParamSpec("P")


class _EndedError(BaseException):
    """Ends the work at its next event. Nothing catches it as an error, so all is cleaned up."""


class Following(Generic[T]):
    """The events of a function that runs in a thread of its own; iterate over it, or close it.

        with follow(convert, "model.safetensors", bits=6) as events:
            for event in events:
                print(event.text)
        print(events.result)

    Closing it, as leaving the block does, ends the work at its next event, and waits for that: no
    partial result is left.
    """

    def __init__(self, work: Callable[[Callable[[Event], None]], T]) -> None:
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def __iter__(self) -> Following[T]:
        return self

    def __next__(self) -> Event:
        """Wait for the next event.

        Raises:
            StopIteration: the work is done, or was closed.
            SdcoremlError: the work failed.
        """
        event = self._events.get()
        if event is None:
            self._events.put(None)  # whoever asks again gets the same answer
            self._raise_error()
            raise StopIteration
        return event

    def __enter__(self) -> Following[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the work, unless it is done."""
        self.close()

    @property
    def result(self) -> T:
        """What the function returned; waits for it.

        Raises:
            SdcoremlError: the work failed.
            RuntimeError: it was closed before its end.
        """
        self._thread.join()
        self._raise_error()
        if not self._results:
            raise RuntimeError("the work was ended before it had a result")
        return self._results[0]

    def close(self) -> None:
        """End the work at its next event, and wait until everything is cleaned up."""
        self._ending.set()
        self._thread.join()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self, work: Callable[[Callable[[Event], None]], T]) -> None:
        try:
            self._results.append(work(self._tell))
        except _EndedError:
            pass
        except BaseException as error:  # noqa: BLE001  it is raised where somebody waits for it
            self._error = error
        finally:
            self._events.put(None)

    def _tell(self, event: Event) -> None:
        # Other threads tell events, too: only the work itself can be ended by one.
        if self._ending.is_set() and threading.current_thread() is self._thread:
            raise _EndedError
        self._events.put(event)


def follow(function: Callable[P, T], *given: P.args, **options: P.kwargs) -> Following[T]:
    """Run a function that takes `on_event` in a thread, and return its events."""

    def work(tell: Callable[[Event], None]) -> T:
        return function(*given, **{**options, "on_event": tell})  # type: ignore[arg-type]

    return Following(work)

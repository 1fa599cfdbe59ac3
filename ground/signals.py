"""Signals that end the program: `finally` blocks still run, and no rename is interrupted."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from sdcoreml.ground.errors import ExitCode

NOTHING_LEFT = "nothing half-made was left"
ENDINGS: Mapping[signal.Signals, tuple[ExitCode, str]] = {
    signal.SIGHUP: (ExitCode.HUNG_UP, f"the terminal was closed; {NOTHING_LEFT}"),
    signal.SIGTERM: (ExitCode.TERMINATED, f"terminated; {NOTHING_LEFT}"),
}
"""The signals that end a program, each with its exit code and message."""


def end_on_signals() -> None:
    """Make the signals in `ENDINGS` raise SystemExit, so that every `finally` block runs.

    A signal that is ignored, as under nohup, stays ignored.
    """
    for number in ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


@contextmanager
def delay_signals() -> Iterator[None]:
    """Delay the signals in `ENDINGS` and Ctrl-C until the block has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def wait(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {
        number: signal.signal(number, wait)
        for number in (*ENDINGS, signal.SIGINT)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in came:
            os.kill(os.getpid(), number)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    # Output during clean-up would have no reader; and a second signal must not interrupt clean-up.
    for other in ENDINGS:
        signal.signal(other, signal.SIG_IGN)
    code, said = ENDINGS[signal.Signals(number)]
    with suppress(OSError, ValueError):  # the terminal may be gone
        sys.stderr.write(f"{said}\n")
        sys.stderr.flush()
    raise SystemExit(code)

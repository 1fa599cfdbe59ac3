"""A pytest plugin: a test that takes longer than `$MUTANT_SECONDS` fails, wherever it hangs.

They are seconds of this process's CPU; a test that waits may wait for longer.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest

WAITS = 10
"""How many times its CPU seconds a test may last on the clock."""


def _fail(*_: object) -> None:
    raise TimeoutError("the test hangs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """End a test with an error at its limit, and once more if it goes on."""
    seconds = float(os.environ["MUTANT_SECONDS"])
    limits = {
        (signal.SIGPROF, signal.ITIMER_PROF): seconds,
        (signal.SIGALRM, signal.ITIMER_REAL): seconds * WAITS,
    }
    for (number, timer), limit in limits.items():
        signal.signal(number, _fail)
        signal.setitimer(timer, limit, limit / 10)
    try:
        return (yield)
    finally:
        for _, timer in limits:
            signal.setitimer(timer, 0)

"""A pytest plugin: a test that takes longer than `$MUTANT_SECONDS` fails, wherever it hangs."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest


def _fail(*_: object) -> None:
    raise TimeoutError("the test hangs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """End a test with an error at its limit, and the process soon after if it goes on."""
    signal.signal(signal.SIGALRM, _fail)
    signal.setitimer(signal.ITIMER_REAL, float(os.environ["MUTANT_SECONDS"]), 5)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

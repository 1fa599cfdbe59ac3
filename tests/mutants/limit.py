"""A pytest plugin: a test that takes longer than `$MUTANT_SECONDS` fails, wherever it hangs.

They are seconds of this process's CPU; a test that waits may wait for longer. The tests that run
first are the quick ones, and those that name what `$MUTANT_WORDS` names. The file `$MUTANT_DONE`
keeps those that are done: a run that goes on after its time was over leaves them out.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.mutants.mutant import names_in

LONG_FIXTURES = frozenset({"tiny_xl"})
"""Fixtures that alone take as long as a test may: it would fail whatever the mutant does."""

WAITS = 10
"""How many times its CPU seconds a test may last on the clock."""


def _done() -> Path:
    return Path(os.environ.get("MUTANT_DONE", os.devnull))


def _fail(*_: object) -> None:
    raise TimeoutError("the test hangs")


@pytest.hookimpl(trylast=True)  # once all have their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that are likely to fail: the first that does ends the run."""
    words = frozenset(os.environ.get("MUTANT_WORDS", "").split())

    @functools.cache
    def shared(function: Callable[..., object]) -> int:
        return len(words & names_in(inspect.getsource(function)))

    def turn(item: pytest.Item) -> tuple[bool, int]:
        is_slow = item.get_closest_marker("slow") is not None
        return is_slow, -shared(item.function) if isinstance(item, pytest.Function) else 0

    done = frozenset(_done().read_text("utf-8").splitlines() if _done().exists() else ())
    items[:] = [
        item
        for item in items
        if item.nodeid not in done and LONG_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
    ]
    items.sort(key=turn)


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


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Note that a test is done; the first that fails ends the run."""
    with _done().open("a", encoding="utf-8") as done:
        done.write(f"{nodeid}\n")

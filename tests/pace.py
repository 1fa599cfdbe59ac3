"""Says which tests are slow, and which should be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import pytest

from tests.slow import SLOW

CPU = "cpu"
"""The property of a report that holds the processor time of a test in seconds."""

LIMIT = 0.5
"""The seconds that a quick test may take: processor time, since machines are busy."""


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def is_slow(nodeid: str) -> bool:
    """Return True if the table of slow tests has the test, its function, or its whole file."""
    path, _, name = nodeid.partition("::")
    names = SLOW.get(path)
    return names is not None and (not names or not {name, name.partition("[")[0]}.isdisjoint(names))


def advise(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """Yield lines about the tests that took long and are not marked so; never a failure."""
    took = [
        (seconds, report.nodeid)
        for report in reports
        if report.when == "call" and "slow" not in report.keywords
        if not report.nodeid.startswith("tests/inside/")  # `make unit` runs none of these
        for name, seconds in report.user_properties
        if name == CPU and isinstance(seconds, float) and seconds > LIMIT
    ]
    if took:
        yield f"over {LIMIT} s of processor time, yet not in tests/slow.py:"
        yield from (f"  {seconds:5.1f} s  {nodeid}" for seconds, nodeid in sorted(took)[::-1][:20])

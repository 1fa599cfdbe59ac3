"""Settings for the tests in the built environment, and workers for their conversions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from sdcoreml.convert.worker import LAUNCH, Worker
from tests.forks import fork_server, program_of

COLD: Mapping[str, str] = {
    "convert/loading/test_measure.py": "the watch measures the memory of the child itself",
    "convert/test_comfyui_folders.py": "one of its Pythons is that of `light`, which has no torch",
    "convert/test_case.py": "a conversion with all checks starts its children as a user's does",
    "convert/test_golden.py": "one of its Pythons is another one, which has no torch",
}
"""The files whose tests use `cold_worker`, and why. `test_signals.py` runs the whole tool."""

Start: TypeAlias = Callable[[str], str]


def pytest_sessionstart() -> None:
    # The pinned libraries write their caches' versions on import, which is not the tests' doing.
    os.environ["XDG_CACHE_HOME"] = os.fspath(Path(os.environ["HOME"]).with_name("cache"))


@pytest.fixture(scope="session")
def launch_in_fork() -> Iterator[Start]:
    """Return what makes a program for `Worker.launch` run in a fork of a process with torch."""
    if sys.platform == "darwin":  # Apple's libraries may not be used in a fork
        yield lambda code: code
        return
    with fork_server(Path(sys.executable)) as address:
        yield lambda code: program_of(address, code)


@pytest.fixture(scope="session")
def worker(launch_in_fork: Start) -> Worker:
    """Return a worker of this environment whose children need not import torch."""
    return Worker(python=Path(sys.executable), launch=launch_in_fork(LAUNCH))


@pytest.fixture(scope="session")
def cold_worker() -> Worker:
    """Return a worker of this environment as users have it; `COLD` says who needs it."""
    return Worker(python=Path(sys.executable))

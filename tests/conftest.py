"""Settings for all tests, on the host and in the built environment."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Generator
from contextlib import ExitStack

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, settings

from sdcoreml.ground.advice import BY_MAKE
from tests.guard import Guard, guarded_process
from tests.pace import CPU, advise, cpu_seconds, is_slow

# `make unit` must not teach the tests to advise make: expected texts name the tool itself.
os.environ.pop(BY_MAKE, None)

# The machines are small and busy: a slow example says nothing about the code. Every run draws the
# same examples, as runs in CI do anyway: what fails there fails here, before it is pushed.
for profile, is_same in (("house", True), ("wild", False)):
    settings.register_profile(
        profile,
        deadline=None,
        suppress_health_check=(HealthCheck.too_slow,),
        print_blob=True,
        derandomize=is_same,
    )
settings.load_profile("house")

GUARD = pytest.StashKey[Guard]()
BEGUN = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    # What runs in the background of a script, or under nohup, ignores signals, and so would all
    # that it starts; a handler that does nothing is not handed on.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    stack = ExitStack()
    config.stash[GUARD] = stack.enter_context(guarded_process())
    config.add_cleanup(stack.close)


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_slow(item.nodeid):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    # The libraries and tests live until the end. Looking through them for cycles again and again
    # took a fifth of the time in which a large program is drawn; graphs, which are cycles, must go.
    gc.freeze()
    gc.set_threshold(50_000, 5, 5)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Let a worker report a test once: pytest-xdist would send six messages for each that passes.

    They took a fifth of the processor time of `make unit`.
    """
    if not hasattr(item.config, "workerinput"):
        return None
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # No test finds what another has made.
    shutil.rmtree(os.environ["SDCOREML_CACHE"], ignore_errors=True)
    item.stash[BEGUN] = cpu_seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    guard = item.config.stash[GUARD]
    guard.may_reach = item.get_closest_marker("network") is not None
    try:
        yield
    finally:
        faults = guard.faults()  # also of a test that failed: the next one begins anew
        guard.may_reach = False
        item.user_properties.append((CPU, cpu_seconds() - item.stash[BEGUN]))
    if faults:
        pytest.fail("; ".join(faults), pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in advise(terminalreporter.getreports("passed")):
        terminalreporter.write_line(line, yellow=True)

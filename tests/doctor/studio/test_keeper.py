"""The runner is started anew where it was killed, and never in a way that harms a look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.store import Store
from sdcoreml.doctor.studio.keeper import Keeper
from sdcoreml.ground.errors import SdcoremlError


class Runner:
    """Counts its starts, which fail while there is an error; its clock is set by hand."""

    def __init__(self) -> None:
        self.starts: list[float] = []
        self.now = 1_000.0
        self.error: Exception | None = None

    def start(self) -> None:
        self.starts.append(self.now)
        if self.error:
            raise self.error


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(folder=tmp_path)
    store.add(New(kind=Kind.DRAW, title="one", words=("draw", "x")))
    return store


def keeper_of(store: Store, runner: Runner) -> Keeper:
    return Keeper(store=store, start=runner.start, clock=lambda: runner.now)


def look_for(seconds: int, keeper: Keeper, runner: Runner) -> None:
    """Look once a second."""
    queue = keeper.store.read()
    for _ in range(seconds):
        keeper.look(queue)
        runner.now += 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BlockingIOError(11, "Resource temporarily unavailable"), "temporarily unavailable"),
        (SdcoremlError("the disk is gone"), "the disk is gone"),
    ],
)
def test_a_start_that_fails_is_a_fault_until_one_succeeds(
    store: Store, error: Exception, said: str
) -> None:
    runner = Runner()
    keeper = keeper_of(store, runner)
    runner.error = error
    keeper.look(store.read())
    assert said in f"{keeper.fault()}"
    keeper.begin()  # as by the page's button
    assert said in f"{keeper.fault()}"
    runner.error = None
    look_for(7, keeper, runner)
    assert keeper.fault() is None
    assert len(runner.starts) == 3


def test_what_ends_at_once_is_started_ever_more_rarely_and_told(store: Store) -> None:
    runner = Runner()
    keeper = keeper_of(store, runner)
    look_for(12, keeper, runner)
    assert runner.starts == [1_000, 1_006]
    assert keeper.fault() is None
    look_for(5_000, keeper, runner)
    assert len(runner.starts) < 25
    assert runner.starts[-1] - runner.starts[-2] == 601
    assert "ended before anything was done" in f"{keeper.fault()}"
    assert f"{store.folder / 'runner.log'}" in f"{keeper.fault()}"
    keeper.look(replace(store.read(), is_running=True))
    assert keeper.fault() is None
    keeper.look(store.read())
    assert keeper.fault(), "one that has done nothing yet is no progress"
    keeper.begin()
    assert keeper.fault() is None


def test_while_entries_are_done_a_killed_runner_is_started_soon(store: Store) -> None:
    runner = Runner()
    keeper = keeper_of(store, runner)
    for _ in range(10):
        look_for(6, keeper, runner)
        (entry, *_) = store.read().entries
        store.cancel(entry.id)
        store.remove(entry.id)
        store.add(New(kind=Kind.DRAW, title="next", words=("draw", "x")))
    assert len(runner.starts) == 10
    assert keeper.fault() is None


def test_a_queue_that_is_paused_or_over_has_no_such_fault(store: Store) -> None:
    runner = Runner()
    keeper = keeper_of(store, runner)
    runner.error = OSError(5, "Input/output error")
    keeper.look(store.read())
    store.pause()
    keeper.look(store.read())
    assert keeper.fault() is None
    store.resume()
    runner.now += 100
    keeper.look(store.read())
    assert keeper.fault()
    store.cancel("1")
    assert store.read().entries[0].state is State.CANCELLED
    keeper.look(store.read())
    assert keeper.fault() is None

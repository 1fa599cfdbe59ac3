"""Whatever ends a runner, its child ends too, and the next runner goes on with what was begun."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from sdcoreml.doctor.queue.runner import Runner
from sdcoreml.doctor.queue.store import Store
from tests.doctor.queue.stand_in import PROGRAM, add

RUNNER = """\
import signal, sys
from pathlib import Path
from sdcoreml.doctor.queue.runner import Runner
from sdcoreml.doctor.queue.store import Store
from sdcoreml.ground.exits import run_to_exit_code
from sdcoreml.ground.signals import end_on_signals
end_on_signals()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
runner = Runner(store=Store(folder=Path(sys.argv[1])), program=sys.argv[2:])
sys.exit(run_to_exit_code(lambda: not runner.run()))
"""


@contextmanager
def start(store: Store) -> Iterator[subprocess.Popen[bytes]]:
    """Start a runner as a process of its own; it is gone after the block."""
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, store.folder, *PROGRAM],
        cwd=Path(__file__).parents[3],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(12_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def waiting(tmp_path: Path, *words: str) -> Store:
    """Return a queue whose first entry goes on until it is ended, and whose second ends at once."""
    store = Store(folder=tmp_path / "q")
    add(store, *words, place=tmp_path)
    add(store, "say")
    return store


def pid_of_child(store: Store) -> int:
    until(lambda: bool((store.folder / "work").read_text()))
    return int((store.folder / "work").read_text().split()[0])


def is_alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_runner_that_is_told_to_end_ends_its_child_first(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    store = waiting(tmp_path, "wait", "0.2")
    with start(store) as process:
        until((tmp_path / "began").exists)
        child = pid_of_child(store)
        process.send_signal(number)
        assert process.wait(120) == code
    assert (tmp_path / "tidied").exists()
    assert not is_alive(child)
    assert [one.state.value for one in store.read().entries] == ["waiting", "waiting"]
    assert '"waiting"' in store.path("1", "json").read_text()


def test_the_child_of_a_killed_runner_ends_and_its_successor_waits_for_that(tmp_path: Path) -> None:
    store = waiting(tmp_path, "wait", f"{tmp_path / 'may end'}")
    with start(store) as process:
        until((tmp_path / "began").exists)
        child = pid_of_child(store)
        process.kill()
    store.remove("1")
    assert store.read().entries[0].state.value == "waiting"
    said: list[str] = []

    def hear(text: str) -> None:
        said.append(text)
        (tmp_path / "may end").touch()

    Runner(store=store, program=PROGRAM, say=hear, grace=120).run()
    assert (tmp_path / "tidied").exists()
    assert not is_alive(child)
    assert said == [
        "waiting for a process of a runner that was killed",
        "2: say: begun",
        "2: say: done",
    ]


def test_a_child_that_does_not_end_is_killed_by_the_successor(tmp_path: Path) -> None:
    store = waiting(tmp_path, "hang")
    with start(store) as process:
        until((tmp_path / "began").exists)
        child = pid_of_child(store)
        process.kill()
    store.cancel("1")
    Runner(store=store, program=PROGRAM, grace=0.2).run()
    assert not is_alive(child)
    assert [one.state.value for one in store.read().entries] == ["cancelled", "done"]


def test_what_a_killed_runner_was_ending_has_ended(tmp_path: Path) -> None:
    store = waiting(tmp_path, "hang")
    with start(store) as process:
        until((tmp_path / "began").exists)
        pid_of_child(store)
        store.cancel("1")
        process.kill()
    Runner(store=store, program=PROGRAM, grace=0.2).run()
    cancelled, done = store.read().entries
    assert (cancelled.state.value, cancelled.ended is not None) == ("cancelled", True)
    assert done.state.value == "done"


def test_a_disk_that_is_full_ends_the_runner_and_loses_nothing(tmp_path: Path) -> None:
    store = waiting(tmp_path, "say")
    root = Path(__file__).parents[3]
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + RUNNER
    done = subprocess.run(
        [sys.executable, "-c", limited, store.folder, *PROGRAM],
        cwd=root,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert done.stderr.count("\n") == 1
    assert "1.json: a limit on the size of files was reached while writing" in done.stderr
    assert [one.state.value for one in store.read().entries] == ["waiting", "waiting"]
    Runner(store=store, program=PROGRAM).run()
    assert [one.state.value for one in store.read().entries] == ["done", "done"]

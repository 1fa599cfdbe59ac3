"""The runner does what waits, one after another, and stops what nobody wants any more."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdcoreml.doctor.queue.entry import State
from sdcoreml.doctor.queue.order import Queue
from sdcoreml.doctor.queue.outcome import Listener
from sdcoreml.doctor.queue.runner import Runner
from sdcoreml.doctor.queue.store import Store
from sdcoreml.ground.errors import SdcoremlError
from tests.doctor.queue.stand_in import PROGRAM, add


def states(store: Store) -> list[str]:
    return [entry.state.value for entry in store.read().entries]


def run(store: Store, grace: float = 10.0) -> list[str]:
    said: list[str] = []
    assert Runner(store=store, program=PROGRAM, say=said.append, grace=grace).run()
    return said


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is about to happen."""
    for _ in range(12_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


@contextmanager
def at_work(store: Store, grace: float = 10.0) -> Iterator[threading.Thread]:
    """Let a runner work in a thread while the block runs; it has to end afterwards."""
    # A daemon: one that a failed test leaves at work must not keep the process of tests alive.
    thread = threading.Thread(target=run, args=(store, grace), daemon=True)
    thread.start()
    yield thread
    thread.join(120)
    assert not thread.is_alive()


def test_everything_is_done_in_order_and_then_it_ends(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    for words in (("say",), ("fail", "it is bad", "3"), ("say",)):
        add(store, *words)
    store.move("3", "1")
    assert run(store) == [
        "3: say: begun",
        "3: say: done",
        "1: say: begun",
        "1: say: done",
        "2: fail: begun",
        "2: fail: failed: it is bad",
    ]
    queue = store.read()
    assert [(one.state.value, one.exit_code, one.because) for one in queue.entries] == [
        ("done", 0, ""),
        ("done", 0, ""),
        ("failed", 3, "it is bad"),
    ]
    assert all(one.begun and one.ended for one in queue.entries)
    assert not queue.is_running


def test_what_it_says_is_kept_events_apart_from_the_rest(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    add(store, "say")
    run(store)
    heard = store.follow("1")
    assert [json.loads(line)["event"] for line in heard.lines] == ["progress"]
    assert store.follow("1", heard.offset).lines == ()
    assert sorted(store.follow_log("1").lines) == ["beside", "not an event"]
    assert store.progress("1") == {"schema": 1, "event": "progress", "done": 1, "total": 2}
    store.retry("1")
    run(store)
    assert len(store.follow("1").lines) == 1


def test_the_folders_and_faults_of_a_job_are_told(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    results = [
        {"state": "done", "folder": "/a"},
        {"state": "reused", "folder": "/b"},
        {"state": "failed", "folder": "/c", "because": "no", "code": "MDL001", "explanation": "x"},
        {"state": "skipped", "because": "later"},
    ]
    add(store, "table", json.dumps(results), "1")
    add(store, "table", json.dumps(results[:2]))
    run(store)
    bad, good = store.read().entries
    assert (bad.state, bad.folders, good.state) == (State.FAILED, ("/a", "/b"), State.DONE)
    assert (bad.because, bad.code, bad.explanation) == ("no (and 1 more)", "MDL001", "x")
    assert good.folders == ("/a", "/b")


def test_a_command_runs_where_it_was_added_or_else_in_the_queues_folder(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    there = tmp_path / "there"
    there.mkdir()
    add(store, "where", "x y", place=there)
    add(store, "where", place=tmp_path / "gone")
    run(store)
    first, second = (json.loads(store.follow(one).lines[0]) for one in "12")
    assert (first["text"], second["text"]) == (str(there), str(store.folder))
    assert first["words"] == ["where", "x y"]


def test_what_is_ended_from_outside_is_tried_again_a_few_times(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    add(store, "die")
    add(store, "say")
    said = run(store)
    assert said.count("1: die: begun") == 3
    dead, other = store.read().entries
    assert (dead.state, dead.tries, other.state) == (State.FAILED, 3, State.DONE)
    assert dead.because.startswith("its process was ended from outside 3 times (SIGKILL)")
    store.retry("1")
    assert store.read().entries[0].tries == 0


def test_cancelling_ends_what_is_being_done_and_it_tidies_up(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "wait", "0.3", place=tmp_path)
    add(store, "say")
    with at_work(store):
        until((tmp_path / "began").exists)
        store.cancel("1")
    assert states(store) == ["cancelled", "done"]
    assert (tmp_path / "tidied").exists()
    assert store.read().entries[0].ended


def test_a_pause_ends_what_is_being_done_and_it_waits_again(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "wait", "0", place=tmp_path)
    with at_work(store):
        until((tmp_path / "began").exists)
        store.pause()
    assert (tmp_path / "tidied").exists()
    assert states(store) == ["waiting"]
    assert run(store) == []
    store.resume()
    (tmp_path / "began").unlink()
    with at_work(store):
        until((tmp_path / "began").exists)
        store.cancel("1")


def test_what_is_wanted_again_while_it_ends_begins_anew(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "wait", "0.5", place=tmp_path)
    with at_work(store):
        until((tmp_path / "began").exists)
        (tmp_path / "began").unlink()
        store.cancel("1")
        store.retry("1")
        until((tmp_path / "began").exists)
        assert states(store) == ["running"]
        store.cancel("1")


def test_what_does_not_end_is_killed(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "hang", place=tmp_path)
    with at_work(store, grace=0.2):
        until((tmp_path / "began").exists)
        store.cancel("1")
    assert states(store) == ["cancelled"]


def test_there_is_one_runner_and_it_sees_what_is_added_meanwhile(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "wait", "0", place=tmp_path)
    with at_work(store):
        until((tmp_path / "began").exists)
        assert not Runner(store=store, program=PROGRAM).run()
        add(store, "say")
        store.cancel("1")
    assert states(store) == ["cancelled", "done"]


def test_a_damaged_entry_is_passed_over(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    for _ in range(3):
        add(store, "say")
    store.path("1", "json").write_text("{")
    store.path("2", "events").mkdir()
    run(store)
    assert states(store) == ["failed", "done", "done"]


def test_an_entry_that_vanishes_is_ended(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "wait", "0", place=tmp_path)
    with at_work(store):
        until((tmp_path / "began").exists)
        store.path("1", "json").unlink()
    assert (tmp_path / "tidied").exists()


def test_without_the_program_everything_waits(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "say")
    with pytest.raises(SdcoremlError, match=r"/nothing: cannot be started \(No such file"):
        Runner(store=store, program=("/nothing",)).run()
    assert states(store) == ["waiting"]
    assert not store.is_running


def test_a_terminal_that_has_gone_stops_nothing(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    add(store, "say")

    def gone(_: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    assert Runner(store=store, program=PROGRAM, say=gone, echo=gone).run()
    assert states(store) == ["done"]
    assert "beside" in store.follow_log("1").lines


def test_what_a_command_says_beside_its_result_is_echoed_as_text(tmp_path: Path) -> None:
    store, echoed = Store(folder=tmp_path), list[str]()
    add(store, "say")
    runner = Runner(store=store, program=PROGRAM, say=echoed.append, echo=echoed.append)
    (entry,) = store.read().entries
    runner._hears(entry, Listener())["stderr"](b"caf\xe9 \n")
    assert echoed == ["caf\ufffd "]


def test_only_what_cannot_be_started_is_told_so(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "wait", "0", place=tmp_path)

    def broken(self: Store) -> Queue:
        if (tmp_path / "began").exists():
            raise OSError(5, "Input/output error")
        return Store.read(self)

    class Failing(Store):
        read = broken

    with pytest.raises(OSError, match="Input/output error"):
        Runner(store=Failing(folder=store.folder), program=PROGRAM).run()
    assert states(store) == ["waiting"]

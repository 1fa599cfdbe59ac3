"""The runner's log is added to by whoever starts one, and begun anew by the one that works."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from sdcoreml.doctor.queue import starting
from sdcoreml.doctor.queue.starting import LOG, begin_log, start_runner, this_program
from sdcoreml.doctor.queue.store import Store
from tests.doctor.queue.stand_in import add


def test_a_log_that_a_runner_writes_is_added_to(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    add(store, "say")
    log = tmp_path / LOG
    log.write_text("what the runner at work has said\n")
    for count in (2, 3):
        start_runner(store, ("echo", "at work already:"))
        for _ in range(12_000):
            if log.read_text().count("\n") >= count:
                break
            time.sleep(0.01)
    assert log.read_text() == (
        "what the runner at work has said\n" + "at work already: queue run\n" * 2
    )


def test_only_a_runner_that_prints_into_the_log_begins_it(tmp_path: Path) -> None:
    store, log, other = Store(folder=tmp_path), tmp_path / LOG, tmp_path / "other"
    begin_log(store)
    log.write_text("old\n")
    for path, left in ((other, "old\n"), (log, "")):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        begin_log(store, handle)
        os.close(handle)
        assert log.read_text() == left


SAYS = """
import json, os, sys
said = {"at": os.getcwd(), "queue": os.environ["SDCOREML_QUEUE"], "words": sys.argv[1:]}
said |= {"leads": os.getsid(0) == os.getpid(), "heard": sys.stdin.read()}
print(json.dumps(said), flush=True)
print("end", file=sys.stderr, flush=True)
"""


def test_a_runner_has_a_session_of_its_own_in_the_queue_s_folder(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    add(store, "say")
    start_runner(store, (sys.executable, "-c", SAYS))
    log = tmp_path / "q" / LOG
    for _ in range(12_000):
        if log.read_text().endswith("end\n"):
            break
        time.sleep(0.01)
    first, last = log.read_text().splitlines()
    assert json.loads(first) == {
        "at": str(store.folder),
        "queue": str(store.folder),
        "words": ["queue", "run"],
        "leads": True,
        "heard": "",
    }
    assert last == "end"
    assert log.stat().st_mode & 0o777 == 0o600


def test_nothing_is_started_where_nothing_waits_or_all_is_paused(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "q")
    start_runner(store, ("/nowhere",))
    add(store, "say")
    store.pause()
    start_runner(store, ("/nowhere",))
    store.resume()
    store.cancel("1")
    start_runner(store, ("/nowhere",))
    assert not (store.folder / LOG).exists()


def test_this_tool_is_its_script_or_what_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "sdcoreml"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sdcoreml", "queue"])
    code = (sys.executable, "-c", starting._CODE)
    assert this_program() == code, "it is not there"
    script.touch(mode=0o600)
    assert this_program() == code, "it cannot be run"
    script.chmod(0o700)
    assert this_program() == (str(script),)
    script.rename(tmp_path / "pytest")
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert this_program() == code, "it is another"

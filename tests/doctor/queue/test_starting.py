"""The runner's log is added to by whoever starts one, and begun anew by the one that works."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sdcoreml.doctor.queue.starting import LOG, begin_log, start_runner
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

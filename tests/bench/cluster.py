"""Measures what three workers do in the time of one: `python -m tests.bench.cluster`.

The tasks only sleep, so that what is measured is how tasks are given away.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sdcoreml.envs.cluster.dask import Dask, Message, find_dask
from sdcoreml.envs.cluster.folder import (
    Cluster,
    find_cluster,
    keep_credentials,
    stage_credentials,
)
from sdcoreml.ground.events import silent
from sdcoreml.ground.places import environments_folder

TASKS = 12
SECONDS = 2.0
LEAST = 2.4
"""How many times faster than one worker three must be."""

_SLEEP = f"import time; time.sleep({SECONDS}); print('{{\"results\": []}}')"
_SAME = dict.fromkeys(("version", "builder", "toolchain", "python", "xcode"), "")
_PINS = {**_SAME, "locks": {"": ""}}
_JOB = {**_SAME, "file": "", "target": "", "lock": ""}


def main() -> int:
    """Print the times; return 1 if three workers are not `LEAST` times as fast as one."""
    dask = find_dask(environments_folder(), silent)
    with tempfile.TemporaryDirectory() as folder:
        one, three = (measure(dask, Path(folder), count) for count in (1, 3))
    print(
        f"{TASKS} tasks of {SECONDS:.0f} s: one worker {one:.1f} s, three {three:.1f} s,"
        f" {one / three:.2f} times as fast"
    )
    return int(one / three < LEAST)


def measure(dask: Dask, folder: Path, count: int) -> float:
    """Return the seconds from the first task's beginning to the last one's end."""
    with stage_credentials(folder, dask.certify()) as new:
        staged = Cluster(address="", folder=new)
        began = start(dask, staged, do="schedule", host="127.0.0.1").get()
        keep_credentials(folder, new, str(began["address"]))
    cluster = find_cluster(os.fspath(folder))
    command = [sys.executable, "-I", "-c", _SLEEP]
    workers = [
        start(dask, cluster, do="work", name=f"{n}", pins=_PINS, environ={}, command=command)
        for n in range(count)
    ]
    for worker in workers:
        worker.get()
    task = {"title": "", "environ": {}, "task": {}}
    tasks = [{"id": number, "after": [], "task": task} for number in range(TASKS)]
    times = [
        time.monotonic()
        for message in dask.take_part(
            cluster, do="coordinate", run="run", job=_JOB, signs=[], tasks=tasks
        )
        if "began" in message or "ended" in message
    ]
    os.kill(int(str(began["process"])), signal.SIGKILL)
    return times[-1] - times[0]


def start(dask: Dask, cluster: Cluster, **request: Any) -> SimpleQueue[Message]:
    """Start a member in a thread; return the queue of what it says."""
    said: SimpleQueue[Message] = SimpleQueue()

    def listen() -> None:
        try:
            for message in dask.take_part(cluster, **{"port": 0, **request}):
                said.put(message)
        except Exception as error:  # noqa: BLE001  the scheduler is killed at the end
            said.put({"error": str(error)})

    threading.Thread(target=listen, daemon=True).start()
    return said


if __name__ == "__main__":
    sys.exit(main())

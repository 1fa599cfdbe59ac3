"""Measures what a command costs, with all processes that it starts."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_PAUSE = 0.2
"""The seconds between two looks at the memory; a look costs milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCost:
    """The cost of one run: CPU and wall-clock seconds, and peak private memory in bytes.

    Private memory (USS) is what would be free if the processes ended. A page of a file that only
    one process has mapped counts, although the system can take it back. The peak is that of the sum
    over all processes, at one moment.
    """

    cpu: float
    wall: float
    private: int


def measure(command: Sequence[str | Path], log: Path) -> TreeCost:
    """Run `command` to its end, its output in `log`, and return its cost.

    Raises:
        SystemExit: the command failed; the last lines of its output are printed.
    """
    os.sync()  # what was written before is not its cost
    arguments = [str(word) for word in command]
    began = time.monotonic()
    to_log = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    child = os.posix_spawnp(arguments[0], arguments, os.environ, file_actions=to_log)
    watch = _Watch(child)
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - began
    private = watch.stop()
    if status:
        raise SystemExit(f"failed: {' '.join(arguments)}\n{log.read_text()[-2000:]}")
    return TreeCost(cpu=usage.ru_utime + usage.ru_stime, wall=wall, private=private)


class _Watch:
    """Looks at the private memory of a process and its descendants until it is stopped."""

    def __init__(self, process: int) -> None:
        self._root = psutil.Process(process)
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        while not self._over.wait(_PAUSE):
            self._peak = max(self._peak, sum(map(_private, self._family())))

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []


def _private(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except (psutil.Error, OSError):  # it has just ended
        return 0


def median(found: Sequence[TreeCost]) -> TreeCost:
    """Return the median of each figure, but the largest memory."""
    return TreeCost(
        cpu=statistics.median(cost.cpu for cost in found),
        wall=statistics.median(cost.wall for cost in found),
        private=max(cost.private for cost in found),
    )

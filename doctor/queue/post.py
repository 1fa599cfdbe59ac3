"""The locks by which there is one runner for a queue, and one process at its work."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdcoreml.ground import locks
from sdcoreml.ground.errors import BusyError
from sdcoreml.ground.refusals import translate_os_errors

_TRIES, _INSTANT = 50, 0.01
"""Whoever looks whether a lock is held takes it for an instant."""

_LOOK = 0.05
_LONGEST = 64
_SAME = 2.0
"""Seconds by which two looks at when a process began may differ."""


class Post:
    """The post of a queue's runner, held by the lock of a file until somebody leaves it."""

    def __init__(self, path: Path) -> None:
        with translate_os_errors(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._handle: int | None = handle
        for _ in range(_TRIES):
            if locks.try_lock(handle):
                return
            time.sleep(_INSTANT)
        self.leave()

    @property
    def is_held(self) -> bool:
        """Whether this process is the runner."""
        return self._handle is not None

    def leave(self) -> None:
        """Let another process be the runner."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextmanager
def sole_work(path: Path, say: Callable[[str], None], grace: float) -> Iterator[int]:
    """Hold the lock of whoever works for a queue; yield its descriptor, for children to inherit.

    A child of a runner that was killed has it still: it gets `grace` seconds to tidy up, and is
    then killed.

    Raises:
        BusyError: it holds the lock even then, and nobody knows which process it is.
    """
    import psutil  # noqa: F401  now: between the start of a child and its note is no time

    with translate_os_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock_within(handle, _TRIES * _INSTANT):
            say("waiting for a process of a runner that was killed")
            if not _lock_within(handle, grace):
                _kill_noted(handle, path)
                _require(_lock_within(handle, max(1.0, grace / 4)), path)
        yield handle
    finally:
        os.close(handle)


def note_worker(handle: int, pid: int) -> None:
    """Write down which process inherits the lock."""
    with suppress(OSError):
        os.pwrite(handle, f"{pid} {_began(pid)}".ljust(_LONGEST).encode(), 0)


def _lock_within(handle: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not (held := locks.try_lock(handle)) and time.monotonic() < until:
        time.sleep(_LOOK)
    return held


def _kill_noted(handle: int, path: Path) -> None:
    """Kill the process that was noted, and its children, if it is that process still.

    If it is gone, what it has left in its session, with the file of the lock open, is killed.
    """
    noted = re.match(rb"(\d+) ([\d.]+) ", os.pread(handle, _LONGEST, 0))
    if not noted:
        return
    leader = int(noted[1])
    with suppress(ProcessLookupError, PermissionError):
        if abs(_began(leader) - float(noted[2])) < _SAME:
            os.killpg(leader, signal.SIGKILL)
    for pid in _holders(path):
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)


def _holders(path: Path) -> Iterator[int]:
    """Yield the processes of this user, beside this one, that have a file open."""
    import psutil

    place = os.path.realpath(path)
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            is_other = one.pid != os.getpid() and one.uids().real == os.getuid()
            if is_other and any(file.path == place for file in one.open_files()):
                yield one.pid


def _began(pid: int) -> float:
    """Return when a process began, in seconds since 1970; 0 if there is no such process."""
    import psutil

    with suppress(psutil.Error):
        return psutil.Process(pid).create_time()
    return 0.0


def _require(is_held: bool, path: Path) -> None:  # noqa: FBT001
    if not is_held:
        pids = " ".join(map(str, _holders(path)))
        raise BusyError(
            "a process of an earlier run is still at work",
            where=path,
            remedy=f"end it (kill -9 {pids})" if pids else "restart the machine",
        )

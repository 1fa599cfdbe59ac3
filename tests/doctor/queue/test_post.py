"""What a killed runner has left is found and ended; nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from sdcoreml.doctor.queue.post import note_worker, sole_work
from sdcoreml.ground import locks
from sdcoreml.ground.errors import BusyError

LEAVE = """\
import subprocess, sys
keep = [int(sys.argv[1])]
left = subprocess.Popen(["sleep", "600"], stdin=-3, stdout=-3, stderr=-3, pass_fds=keep)
print(left.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def worker(path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes], psutil.Process]]:
    """Yield the lock's descriptor, and a process that inherits it with a child that does, too."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    assert locks.try_lock(handle)
    with subprocess.Popen(
        [sys.executable, "-S", "-c", LEAVE, f"{handle}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        pass_fds=(handle,),
    ) as process:
        assert process.stdout
        left = psutil.Process(int(process.stdout.readline()))
        try:
            yield handle, process, left
        finally:
            process.kill()
            with suppress(psutil.NoSuchProcess):
                left.kill()


def unheard(_: str) -> None:
    pass


def has_ended(process: psutil.Process) -> bool:
    psutil.wait_procs([process], timeout=30)
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_what_a_worker_that_has_gone_left_at_work_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "work"
    with worker(path) as (handle, process, left):
        note_worker(handle, process.pid)
        os.close(handle)
        process.kill()
        process.wait()
        with sole_work(path, unheard, 0.1):
            assert has_ended(left)


@pytest.mark.slow
def test_a_bystander_with_the_noted_number_is_never_killed(tmp_path: Path) -> None:
    path = tmp_path / "work"
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        with worker(path) as (handle, process, left):
            # Its number was another's that began long ago: that one has gone.
            os.pwrite(handle, f"{bystander.pid} 1000.0".ljust(64).encode(), 0)
            os.close(handle)
            with pytest.raises(BusyError) as caught, sole_work(path, unheard, 0.1):
                pass
            assert f"{caught.value.remedy} ".startswith("end it (kill -9 ")
            assert {process.pid, left.pid} == {*map(int, caught.value.remedy[16:-1].split())}
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()

"""What a killed runner has left is found and ended; nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from sdcoreml.doctor.queue.post import Post, note_worker, sole_work
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


@contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """Let somebody hold the lock for so long."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    assert locks.try_lock(handle)
    timer = threading.Timer(seconds, os.close, [handle])
    timer.start()
    yield
    timer.join()


def test_who_only_looks_at_the_lock_is_waited_for_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    with held(tmp_path / "work", 0.05), sole_work(tmp_path / "work", said.append, 0.1) as handle:
        assert not os.get_inheritable(handle)
    assert said == []


def test_who_tidies_up_is_waited_for_and_told_of(tmp_path: Path) -> None:
    said: list[str] = []
    with held(tmp_path / "work", 0.8), sole_work(tmp_path / "work", said.append, 30):
        pass
    assert said == ["waiting for a process of a runner that was killed"]


def is_held(post: Post) -> bool:
    return post.is_held


def test_one_at_a_time_is_at_the_post(tmp_path: Path) -> None:
    first, second = Post(tmp_path / "runner"), Post(tmp_path / "runner")
    assert [is_held(one) for one in (first, second)] == [True, False]
    second.leave()
    assert is_held(first)
    first.leave()
    first.leave()
    assert not is_held(first)
    third = Post(tmp_path / "runner")
    assert is_held(third)
    third.leave()
    assert (tmp_path / "runner").stat().st_mode & 0o777 == 0o600


def test_whoever_only_looks_keeps_nobody_from_the_post(tmp_path: Path) -> None:
    with held(tmp_path / "runner", 0.05):
        post = Post(tmp_path / "runner")
        assert post.is_held
        post.leave()

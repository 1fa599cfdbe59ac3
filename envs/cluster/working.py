"""A worker of a Dask cluster: it makes one folder after another, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdcoreml.envs.cluster.speaking import (
    ENDED,
    PATIENCE,
    TOPIC,
    Request,
    connect,
    say,
    security,
)
from sdcoreml.ground import locks

_GRACE = 20.0
"""Seconds in which a task that was told to end may tidy up."""

_SENDING = 0.5
"""Seconds in which an event is sent, which happens in the background."""

_STOPPED: set[str] = set()
_RUNNING: dict[str, list[subprocess.Popen[bytes]]] = {}
"""A worker's processes by the run that they belong to, and the runs that were ended."""

_ME: dict[str, Any] = {}
"""What a worker was asked to be."""


def work(request: Request) -> None:
    """Be a worker: make one folder after another, each in a process of its own."""
    _ME.update(request)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        asyncio.run(_work(request, folder))
    _end_processes([one for found in _RUNNING.values() for one in found])


async def _work(request: Request, folder: str) -> None:
    from distributed import Worker
    from distributed.comm import get_address_host
    from distributed.utils import get_ip

    async with Worker(
        request["address"],
        name=request["name"],
        nthreads=1,
        host=get_ip(get_address_host(request["address"])),
        security=security(request),
        dashboard_address="127.0.0.1:0",
        local_directory=folder,
        memory_limit=0,
        death_timeout=PATIENCE,
        heartbeat_interval="1s",
    ) as worker:
        say(joined=request["address"], process=os.getpid())
        ended = asyncio.ensure_future(asyncio.to_thread(ENDED.wait))
        gone = asyncio.ensure_future(worker.finished())
        await asyncio.wait([ended, gone], return_when=asyncio.FIRST_COMPLETED)
        _end_processes([one for found in _RUNNING.values() for one in found])
        say(gone=not ENDED.is_set())
        ENDED.set()


def decline(request: Request) -> None:
    """Tell the cluster why this machine cannot take part."""
    with connect(request) as client:
        client.log_event(TOPIC, {"worker": request["name"], "because": request["because"]})
        time.sleep(_SENDING)


def admit(asked: Request) -> str:
    """Return why this worker takes no work of a run; "" if it does. It runs on a worker."""
    because = differing(_ME["pins"], asked["job"]) or unseen(asked["signs"])
    say(job=asked["job"]["file"], because=because)
    return because


def differing(pins: Request, job: Request) -> str:
    """Return how a worker's pins differ from a job's; "" if they do not.

    A worker for another target has no environment with the job's lock, but knows it. Programs are
    recorded with the job's Python and Xcode, so that the worker's must be the same. `xcode` is the
    digest of Apple's compiler, "" without.
    """
    wanted, had = job["toolchain"], pins["toolchain"]
    if wanted != had:
        return f"its toolchain is {had}, the job's is {wanted}"
    if pins["builder"] != job["builder"]:
        return (
            f"its sdcoreml is another ({pins['version']}, builder {pins['builder'][:12]};"
            f" the job's is {job['version']}, builder {job['builder'][:12]})"
        )
    lock = pins["locks"].get(job["target"], "none")
    if lock != job["lock"]:
        return f"its lock for {job['target']} is {lock[:12]}, the job's is {job['lock'][:12]}"
    if pins["python"] != job["python"]:
        return f"its environment's Python is {pins['python']}, the job's is {job['python']}"
    if pins["xcode"] != job["xcode"]:
        had, wanted = (one["xcode"][:12] or "none" for one in (pins, job))
        return f"its Xcode's compiler is {had}, the job's is {wanted}"
    return ""


def unseen(signs: Sequence[Mapping[str, str]]) -> str:
    """Return which folder or model this machine does not share; "" if it shares all.

    A sign is a `folder`, a `file` below it that the coordinator has just written, and its `text`;
    of a model, which is only to be there, the path alone. The coordinator has locked the file and
    the folder that it is in: where that is not noticed here, as on some networks' file systems, two
    machines would write the same files at once.
    """
    for sign in signs:
        if "text" not in sign:
            if not Path(sign["file"]).exists():
                return f"it does not see {sign['file']}"
            continue
        try:
            is_same = Path(sign["file"]).read_text(encoding="ascii") == sign["text"]
        except (OSError, ValueError):
            is_same = False
        if not is_same:
            return f"it does not share {sign['folder']}, which all machines must mount"
        if not all(map(_is_locked, (Path(sign["file"]), Path(sign["file"]).parent))):
            return f"locks on {sign['folder']} do not reach other machines"
    return ""


def _is_locked(path: Path) -> bool:
    """Whether the lock that another process holds on a file or folder is noticed here.

    A shared lock is tried, so that two workers of one machine do not take each other's for it.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not locks.try_share(handle)
    except OSError:
        return False
    finally:
        os.close(handle)


def make(task: Request) -> Request:
    """Make what a task says, in a process of its own, and return its answer. Runs on a worker."""
    run = task["run"]
    if run in _STOPPED:
        return {"error": "its job was ended"}
    say(began=task["title"])
    began = time.monotonic()
    environ = {**os.environ, **task["environ"]}
    with subprocess.Popen(
        _ME["command"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as process:
        _RUNNING.setdefault(run, []).append(process)
        assert process.stdin is not None  # noqa: S101  it was opened as a pipe
        assert process.stdout is not None  # noqa: S101  it was opened as a pipe
        answer: Request = {}
        # Its stdin stays open: when it closes, as it does when this process dies, the task ends.
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
        for line in process.stdout:
            with suppress(ValueError):
                answer = json.loads(line)
        code = process.wait()
        _RUNNING[run].remove(process)
    if not answer:
        lost = f"its process ended without an answer (exit code {code})"
        answer = {"error": "its job was ended" if run in _STOPPED else lost}
    because = answer.get("error", "")
    say(ended=task["title"], seconds=time.monotonic() - began, because=because)
    return answer


async def stop(run: str) -> None:
    """End what this worker does for a run. It runs on a worker."""
    _STOPPED.add(run)
    await asyncio.to_thread(_end_processes, list(_RUNNING.get(run, [])))


def _end_processes(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes, and give them time to remove what they have half-made."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + _GRACE
    for process in processes:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:  # noqa: PERF203  a few processes
            process.kill()

"""One folder of a job file as a task for another machine: plain data, and what does it there.

A worker starts a process for each task (`serve`), which makes the folder as a local run would. Only
what the manifest says of the toolchain is the coordinator's: the bytes do not depend on the system.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sdcoreml.convert.cache.key import builder_version
from sdcoreml.convert.jobs.manifest import MadeIn
from sdcoreml.doctor.commands.jobs_batch import Batch, Opener
from sdcoreml.doctor.commands.jobs_file import read_job_file
from sdcoreml.doctor.commands.jobs_run import Result, Run
from sdcoreml.ground.advice import command
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.errors import BadInputError, BrokenError, SdcoremlError
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.signals import end_on_signals

if TYPE_CHECKING:
    from sdcoreml.doctor.commands.jobs_file import JobFile


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderTask:
    """A folder to make: the file and number of its conversion, and its path.

    `folder` is "" for a conversion that waits for another's folder: then all of its own are made.
    `digest` is that of the job file's text, `builder` the version of the code (`builder_version`).
    `asked` is the toolchain that the user asked for, `toolchain` the one that is used; `made_in` is
    how the manifest tells of it.
    """

    file: Path
    digest: str
    number: int
    folder: str
    builder: str
    asked: str
    toolchain: str
    made_in: MadeIn


OpenRun: TypeAlias = "Callable[[FolderTask, Opener, ExitStack, Emit], Run]"
"""Opens what a task is done with."""


def make(task: FolderTask, open_run: OpenRun, emit: Emit = silent) -> tuple[Result, ...]:
    """Make a task's folder; what a conversion cannot do becomes a result.

    Raises:
        BadInputError: the job file is not the coordinator's any more, or makes no such folder here.
        BrokenError: this machine cannot work for the job.
    """
    file = read_same(task)
    with ExitStack() as stack:
        opener = Opener(
            into=file.into,
            # What is finished is installed where the job was started, if at all.
            run={"toolchain": task.asked, "workers": None, "install": False},
            stack=stack,
            emit=emit,
        )
        run = open_run(task, opener, stack, emit)
        batch = opener.open(file.requests[task.number])
        if not task.folder:
            return run.make([_waited(batch)])
        jobs = tuple(job for job in batch.jobs if os.fspath(job.output) == task.folder)
        if not jobs and not batch.fault:
            what = f"makes no folder {task.folder} on this machine"
            raise BadInputError(what, where=task.file, remedy=_again(task))
        return run.make([replace(batch, jobs=jobs)])


def read_same(task: FolderTask) -> JobFile:
    """Read the task's job file, if it and our code are those that the coordinator has.

    Raises:
        BadInputError: they are not.
    """
    if builder_version() != task.builder:
        raise BadInputError("this machine's sdcoreml is another than the job's", remedy="update it")
    file = read_job_file(task.file)
    if file.digest != task.digest:
        what = "was changed since the run began"
        raise BadInputError(what, where=task.file, remedy=_again(task))
    return file


def _again(task: FolderTask) -> str:
    return f"run {command('jobs', task.file, '--cluster', 'CLUSTER')} again"


def _waited(batch: Batch) -> Batch:
    """Return a ControlNet's batch as one whose folder was waited for: without it, it is skipped."""
    beside: Path | None = vars(batch.args).get("beside")
    return replace(batch, after=beside)


def in_environment(task: FolderTask, opener: Opener, stack: ExitStack, emit: Emit) -> Run:
    """Open a run in this machine's environment of the task's toolchain.

    Raises:
        BrokenError: there is none.
    """
    from sdcoreml.convert.cache.shelf import open_cache
    from sdcoreml.doctor.commands.jobs import open_run
    from sdcoreml.doctor.commands.preflight import find_environment
    from sdcoreml.envs.kept.users import use

    toolchain, environment = find_environment(task.toolchain)
    if environment is None:
        what = f"the environment {toolchain.name} is not there any more"
        build = command("env", "--toolchain", task.toolchain)
        raise BrokenError(what, remedy=f"build it with {build}, and start the worker again")
    stack.enter_context(use(environment.path))
    args = argparse.Namespace(toolchain=task.asked, workers=None)
    run = open_run(args, toolchain, environment, opener, open_cache(emit))
    return replace(run, shop=replace(run.shop, toolchain=task.made_in))


def serve(open_run: OpenRun = in_environment) -> None:
    """Do the task that stdin says, and print the answer; end when stdin is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the worker, which ends us
    end_on_signals()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_owner, daemon=True).start()
    try:
        answers.write(json.dumps(answer(request, open_run)) + "\n")
        answers.flush()
    finally:
        os._exit(0)  # nobody waits for the thread, which may read; no answer says that it was ended


def answer(request: Mapping[str, Any], open_run: OpenRun) -> Mapping[str, object]:
    """Return the answer to a request: the results, or why there are none."""
    try:
        return {"results": to_plain(make(from_plain(FolderTask, request["task"]), open_run))}
    except SdcoremlError as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001  a fault of ours must not end the job
        traceback.print_exc()
        return {"error": f"a bug of sdcoreml ({type(error).__name__}: {error})"}


def _end_with_owner() -> None:
    with suppress(OSError):
        while sys.stdin.buffer.read(1 << 16):
            pass
    os.kill(os.getpid(), signal.SIGTERM)

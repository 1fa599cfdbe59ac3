"""Runs programs and tasks for the doctor, each with a deadline.

A program cannot prompt (stdin is closed, git's prompts are disabled), runs in the C locale so that
its output can be parsed, and is killed with its children at the deadline. Nothing is raised: the
result is a value, or `Unknown` with the reason.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from sdcoreml.doctor.core.facts import Unknown
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.places import home_folder

T = TypeVar("T")

RUN_SECONDS = 5.0
"""The time limit for one program in seconds; git and xcrun usually take milliseconds."""

QUIET = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
"""Variables for English output, and to keep git from prompting and from writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The exit code and output of a finished program."""

    code: int
    out: str = ""
    err: str = ""


class ProcessRunner(Protocol):
    """A function that runs a program and returns its result, or the reason why there is none."""

    def __call__(
        self, argv: Sequence[str], /, *, seconds: float = RUN_SECONDS
    ) -> RunResult | Unknown:
        """Run `argv` for at most `seconds`."""


def run(argv: Sequence[str], /, *, seconds: float = RUN_SECONDS) -> RunResult | Unknown:
    """Run a program without input, in the C locale, in a process group of its own."""
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **QUIET},
            start_new_session=True,
        )
    except OSError as error:
        return Unknown(reason=f"{argv[0]}: {error.strerror or error}")
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _kill_group(process)
        return Unknown(reason=f"{argv[0]} did not answer within {seconds:g} s")
    return RunResult(
        code=process.returncode,
        out=out.decode("utf-8", "replace").strip(),
        err=err.decode("utf-8", "replace").strip(),
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and its children, which may hold its output pipes open."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Access to the machine for the gatherers; tests pass a fake one.

    `root` is put before absolute paths such as /proc/meminfo.
    """

    system: str = field(default_factory=platform.system)
    machine: str = field(default_factory=platform.machine)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=home_folder)
    root: Path = Path("/")
    run: ProcessRunner = run


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A task's value and its seconds; `is_late` is true if it missed the deadline."""

    value: object
    seconds: float
    is_late: bool = False


def run_together(tasks: Mapping[str, Callable[[], object]], *, seconds: float) -> dict[str, Timed]:
    """Run all tasks at once; one that raises or takes over `seconds` gives `Unknown`.

    A hanging task (on a network volume, say) is abandoned in a daemon thread: Python cannot stop
    it, but it delays neither the report nor the exit.
    """
    results: dict[str, Timed] = {}
    threads = {
        name: threading.Thread(target=_record, args=(name, task, results), daemon=True)
        for name, task in tasks.items()
    }
    deadline = time.monotonic() + seconds
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    reason = f"not done within {seconds:g} s"
    late = Timed(value=Unknown(reason=reason), seconds=seconds, is_late=True)
    done = dict(results)
    return {name: done.get(name, late) for name in tasks}


def _record(name: str, task: Callable[[], object], results: dict[str, Timed]) -> None:
    """Run one task; an exception becomes the reason why its fact is unknown."""
    begun = time.perf_counter()
    value: object
    try:
        value = task()
    except Exception as error:  # noqa: BLE001  a probe that crashes is a fact, not the end
        value = Unknown(reason=_reason(error))
    results[name] = Timed(value=value, seconds=time.perf_counter() - begun)


def _reason(error: Exception) -> str:
    """Return an error's message, with its type if it is not one of ours."""
    if isinstance(error, SdcoremlError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else repr(error)

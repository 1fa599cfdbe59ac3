"""Runs programs and tasks for the doctor, each with a deadline.

A probe never prompts (stdin is closed, git may not ask), speaks the C locale so that its words can
be matched, dies with its children when its time is up, and never raises: it returns a value or
`Unknown` with the reason.
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
"""Variables for English output, and for git to ask no password and write nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The result of a finished program."""

    code: int
    out: str = ""
    err: str = ""


class ProcessRunner(Protocol):
    """Runs one program and returns its result, or the reason why there is none."""

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
    """End the program and whatever it started; only then are its pipes sure to close."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The machine as the gatherers see it; tests hand in another one.

    `root` stands before absolute paths such as /proc/meminfo.
    """

    system: str = field(default_factory=platform.system)
    machine: str = field(default_factory=platform.machine)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=home_folder)
    root: Path = Path("/")
    run: ProcessRunner = run


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A task's value and what it cost; `is_late` when the deadline came first."""

    value: object
    seconds: float
    is_late: bool = False


def run_together(tasks: Mapping[str, Callable[[], object]], *, seconds: float) -> dict[str, Timed]:
    """Run all tasks at once; what raises or is not done after `seconds` becomes `Unknown`.

    A task that hangs (a network volume, say) is left behind in a daemon thread: Python has no way
    to end it, but it cannot hold up the report or the exit.
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
    """Run one task; whatever it raises becomes the reason why its fact is unknown."""
    begun = time.perf_counter()
    value: object
    try:
        value = task()
    except Exception as error:  # noqa: BLE001  a probe that crashes is a fact, not the end
        value = Unknown(reason=_reason(error))
    results[name] = Timed(value=value, seconds=time.perf_counter() - begun)


def _reason(error: Exception) -> str:
    """An error's message, with its type if it is not one of ours."""
    if isinstance(error, SdcoremlError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else repr(error)

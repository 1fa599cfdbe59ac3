"""Runs a task of `convert.tasks.serve` in a child process inside the built environment.

The child gets one JSON request on stdin, and writes JSON events to stdout, one per line. Its stderr
goes to a temporary file, whose last lines are quoted in the error if the child dies. The child ends
when its stdin closes, so it never outlives its parent, even if the parent is killed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from sdcoreml.convert.watch import BOUNDS, CLOSE, Bounds, watch_process
from sdcoreml.envs.kept.users import use
from sdcoreml.ground import errors
from sdcoreml.ground.aside import scratch_folder
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.crew import launch, revive
from sdcoreml.ground.events import Emit, from_json, silent
from sdcoreml.ground.places import PACKAGE
from sdcoreml.ground.quantity import amount

LAUNCH = launch("sdcoreml.convert.tasks.serve")
"""The Python code that the child runs. It can import our package, but nothing that is beside it."""

_KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

_PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Lets torch's threads sleep while they wait for each other.

By default they spin: beside other processes, that took four times the CPU of the work itself.
"""

_THRIFTY = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"}
"""Lets glibc use the memory of a freed tensor for the next one, up to this many bytes.

By default it goes back to the system, and each tensor's pages are made anew: that took a third
of the CPU of running a UNet for a small image. Other systems ignore these.
"""

_MORE: Mapping[str, Mapping[str, str]] = dict.fromkeys(("answers", "check", "draw"), _THRIFTY)
"""What a task has in its environment beside what all have."""
_TAIL = 4000
_WARNING = re.compile(r"warning\b", re.IGNORECASE)
_ERROR = re.compile(r"error\b|exception\b|fatal|abort|terminat", re.IGNORECASE)
_MUCH = 500_000_000
"""Memory in bytes. A process that uses less is rarely the one killed when memory runs out."""

_GRACE = 10
"""The number of seconds that a child has to exit after it has closed its output."""

AGAIN = "run again, unless you ended it yourself"
LOOK = "run `sdcoreml doctor --deep` to check the environment"


class Runner(Protocol):
    """An object that runs tasks: the real `Worker`, or a fake in tests."""

    def run(self, task: str, request: Mapping[str, object], emit: Emit = silent) -> Outcome:
        """Run the named task to its end and return its answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A task's answer, as JSON values, and the peak resident memory of its process, in bytes."""

    value: object
    peak_memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The child's last event: the task's value, or the fields of the error that it raised."""

    peak_memory: int
    value: object = None
    error: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Runs tasks with `python`, the interpreter of one built environment.

    `launch` is the Python code that the child process runs; `bounds` limit tasks by their names.
    """

    python: Path
    launch: str = LAUNCH
    bounds: Mapping[str, Bounds] = field(default_factory=lambda: BOUNDS)

    def run(self, task: str, request: Mapping[str, object], emit: Emit = silent) -> Outcome:
        """Run the named task of `convert.tasks.serve.TASKS` in a child process.

        Raises:
            SdcoremlError: the error that the task raised in the child.
            WorkerError: the child died, or exited without an answer.
        """
        command = [os.fspath(self.python), "-I", "-B", "-c", self.launch, os.fspath(PACKAGE)]
        with (
            scratch_folder(Path(tempfile.gettempdir()) / "child") as place,
            (place / "stderr").open("w+b") as stderr,
            use(self.python.parent.parent) as held,
            _start_child(command, stderr, place, held, _MORE.get(task, {})) as process,
        ):
            assert process.stdin is not None  # noqa: S101  _start_child opens both pipes
            assert process.stdout is not None  # noqa: S101
            with watch_process(process.pid, emit, self.bounds.get(task)) as (peak, excess):
                answer = _converse(process.stdin, process.stdout, task, request, emit)
                code = _wait(process)
            if answer is None:
                log = _tail(stderr)
                if found := excess():
                    what = f"{task}: the child process was ended, for it took {found.took}"
                    raise errors.WorkerError(what, log=log, remedy=found.remedy)
                remedy = LOOK
                if code == -signal.SIGKILL:
                    remedy = CLOSE if peak() >= _MUCH else AGAIN
                raise errors.WorkerError(
                    _describe_end(task, code, peak(), log), log=log, remedy=remedy
                )
        if answer.error is not None:
            raise revive(answer.error)
        return Outcome(value=answer.value, peak_memory=answer.peak_memory)


def _converse(
    stdin: IO[bytes], stdout: IO[bytes], task: str, request: Mapping[str, object], emit: Emit
) -> _Answer | None:
    """Send the request, pass events on, and return the answer; `None` if the child gave none."""
    try:
        stdin.write(json.dumps({"task": task, "request": request}).encode() + b"\n")
        stdin.flush()
    except BrokenPipeError:
        return None
    answer: _Answer | None = None
    for line in stdout:
        try:
            event = from_json(line.decode())
        except ValueError:  # the child died in the middle of a line
            return None
        if event.kind == "result":
            answer = from_plain(_Answer, event.data)
        else:
            emit(event)
    return answer


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for a child that has closed its output; return its exit code, or `None` if killed."""
    try:
        return process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


@contextmanager
def _start_child(
    command: list[str],
    stderr: IO[bytes],
    place: Path,
    held: tuple[int, ...],
    more: Mapping[str, str],
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the child process; when the block ends, kill the child if it is still running.

    The child's temporary files go to `place`, because torch does not remove its own; so do the
    versions of caches that diffusers and transformers write on import. `held` are open file
    descriptors that the child inherits.
    """
    environ = {key: os.environ[key] for key in _KEPT if key in os.environ}
    environ |= {**_OFFLINE, **_PATIENT, **more}
    environ |= {"TMPDIR": os.fspath(place), "HF_HOME": os.fspath(place / "huggingface")}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environ,
            pass_fds=held,
        )
    except OSError as error:
        if error.errno == errno.EAGAIN:  # the process limit is reached, whatever the program
            raise
        raise errors.WorkerError(
            f"cannot be started ({error.strerror})",
            where=command[0],
            remedy="`sdcoreml env` builds or repairs the environment",
        ) from None
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            # Closing passes on what is left of a request that a dead child never read.
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()


def _describe_end(task: str, code: int | None, peak: int, tail: str) -> str:
    """Describe in one line how the child died, as far as the operating system says."""
    if code == -signal.SIGKILL:
        used = f"{task}: the child process was killed from outside after using {amount(peak)}"
        return f"{used} of memory" + (", most likely because memory ran out" * (peak >= _MUCH))
    return f"{task}: the child process {_end_of(code)} without an answer: {_find_last_error(tail)}"


def _end_of(code: int | None) -> str:
    if code is None:
        return "closed its output and went on"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"died of {signal.Signals(-code).name}"
    except ValueError:
        return f"died of signal {-code}"


def _find_last_error(log: str) -> str:
    """Return the line of a log that most likely says why the process ended.

    It is the last line that mentions an error, or else the last line. Indented lines and warnings
    are skipped.
    """
    lines = [line for line in log.splitlines() if line.strip() and not line[0].isspace()]
    spoken = [line.strip() for line in lines if not _WARNING.search(line)]
    faults = [line for line in spoken if _ERROR.search(line)]
    return next(reversed(faults or spoken), "it printed no reason")


def _tail(stream: IO[bytes]) -> str:
    """Read the last few thousand characters of a stream."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _TAIL))
    return stream.read().decode(errors="replace")

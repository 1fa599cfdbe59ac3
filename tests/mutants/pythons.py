"""The interpreters that run tests for mutants: the copy's own, and the built environment's."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from tests.inside import runner

WAITS = 10
"""How many times its CPU seconds a run may last on the clock."""

SERVER = Path("tests", "mutants", "server.py")


class Server:
    """A process that forks a pytest for each run (`server.py`)."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a line that was read ahead would not be seen by `select`
            start_new_session=True,
        )

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str], output: Path, seconds: float
    ) -> int | None:
        """Run pytest, killed with its children at the end; return its exit code.

        It is None if the run took more CPU seconds than these, or waited for far longer: on a busy
        machine, time on the clock says nothing.
        """
        request = {
            "arguments": arguments,
            "environ": environ,
            "output": str(output),
            "seconds": seconds,
        }
        _stream(self._process.stdin).write(json.dumps(request).encode() + b"\n")
        stream = _stream(self._process.stdout)
        run = int(stream.readline())
        begun, is_late = time.monotonic(), False
        try:
            while not is_late and not select.select([stream], [], [], 0.5)[0]:
                waited = time.monotonic() - begun
                is_late = waited > WAITS * seconds or _processor_time(run) > seconds
        finally:
            _kill(run)
        code = int(stream.readline())
        return None if is_late else code

    def close(self) -> None:
        """End the process."""
        _kill(self._process.pid)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            _stream(stream).close()


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise TypeError("the process was started without a pipe")
    return stream


def _processor_time(process: int) -> float:
    """Return the CPU seconds of a process and of its children."""
    try:
        leader = psutil.Process(process)
        family = [leader, *leader.children(recursive=True)]
        times = [one.cpu_times() for one in family]
    except psutil.Error:
        return 0.0
    return sum(one.user + one.system for one in times) + sum(times[0][2:4])


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@dataclass(slots=True)
class Pythons:
    """Servers for the copy of the checkout in `root`, each started when it is first needed."""

    root: Path
    _servers: dict[bool, tuple[Server, list[str]]] = field(default_factory=dict)

    def run(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        output: Path,
        *,
        seconds: float,
        inside: bool,
    ) -> int | None:
        """Run tests on the host or in the built environment; return the code, None if late."""
        if inside not in self._servers:
            self._servers[inside] = self._start_inside() if inside else self._start()
        server, options = self._servers[inside]
        return server.run([*options, *arguments], environ, output, seconds)

    def _start(self) -> tuple[Server, list[str]]:
        python = self.root / ".venv" / "bin" / "python"
        return Server([str(python), "-B", str(SERVER), str(self.root)], self.root), []

    def _start_inside(self) -> tuple[Server, list[str]]:
        python = runner.built(os.environ.get("TOOLCHAIN") or "tested")
        os.environ.setdefault("SDCOREML_LIGHT_PYTHON", str(runner.built("light")))
        tools = str(runner.test_tools(python))
        command = [str(python), "-I", "-B", str(self.root / SERVER), str(self.root), tools]
        return Server(command, self.root), list(runner.OPTIONS)

    def close(self) -> None:
        """End both."""
        for server, _ in self._servers.values():
            server.close()

"""The process that does an entry's work, as the runner sees it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from sdcoreml.ground import lifeline
from sdcoreml.ground.signals import delay_signals

GRACE = 60.0
"""Seconds in which a process that was told to end may tidy up; half-made folders can be large."""

_LONGEST = 1 << 20
_CHUNK = 1 << 16
_DRAIN = 1.0
"""Seconds for the last lines of a process that has ended, whose pipes its children may hold."""

Hear = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run: the words, the folder, and open files that it inherits beside its output.

    `grace` are the seconds in which it may tidy up when it is told to end.
    """

    words: Sequence[str]
    folder: str
    keep: tuple[int, ...] = ()
    grace: float = GRACE


class Child:
    """A running command. It has a session of its own, so that no terminal's Ctrl-C reaches it."""

    def __init__(self, command: Command, hears: Mapping[str, Hear]) -> None:
        self._process = subprocess.Popen(
            command.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.folder,
            env={**os.environ, lifeline.VARIABLE: "1"},
            start_new_session=True,
            pass_fds=command.keep,
        )
        self.pid, self._grace = self._process.pid, command.grace
        self._ears: dict[int, tuple[IO[bytes], Hear]] = {}
        self._said: dict[int, bytes] = {}
        self._selector = selectors.DefaultSelector()
        for name, hear in hears.items():
            pipe: IO[bytes] = getattr(self._process, name)
            self._ears[pipe.fileno()] = pipe, hear
            self._said[pipe.fileno()] = b""
            self._selector.register(pipe, selectors.EVENT_READ)

    def wait(self, seconds: float) -> int | None:
        """Hear what it says for so long at most; return its exit code, `None` while it runs."""
        if self._ears:
            for key, _ in self._selector.select(seconds):
                self._read(key.fd)
        else:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        if self._process.poll() is not None:
            self._drain()
        return self._process.returncode

    def end(self) -> int:
        """Tell it to end, and wait until it has tidied up; kill it if it takes too long."""
        with delay_signals():
            with suppress(ProcessLookupError):
                self._process.terminate()
            until = time.monotonic() + self._grace
            while (code := self.wait(0.1)) is None and time.monotonic() < until:
                pass
            if code is None:
                self._kill_group()
                code = self._process.wait()
                self._drain()
        return code

    def close(self) -> None:
        """End it if it still runs; end what it has left running, and close the pipes."""
        if self._process.returncode is None:
            self.end()
        self._kill_group()
        for one in (self._process.stdin, self._process.stdout, self._process.stderr):
            if one:
                one.close()
        self._selector.close()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self, handle: int) -> None:
        pipe, hear = self._ears[handle]
        data = os.read(handle, _CHUNK)
        said = self._said[handle] + data
        *lines, rest = said.split(b"\n")
        if rest and (not data or len(rest) > _LONGEST):
            lines, rest = [*lines, rest], b""
        self._said[handle] = rest
        for line in lines:
            hear(line + b"\n")
        if not data:
            self._selector.unregister(pipe)
            del self._ears[handle]

    def _drain(self) -> None:
        until = time.monotonic() + _DRAIN
        while self._ears and time.monotonic() < until:
            ready = self._selector.select(0.05)
            if not ready:
                return
            for key, _ in ready:
                self._read(key.fd)

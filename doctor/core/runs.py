"""Keeps the log of each conversion, with times and memory, outside the folder that it made.

A finished folder has the same bytes on every run, so it cannot say how long a run took. The logs
are beside the environments, each under the digest of a folder's manifest: a folder that was moved
or renamed is still found.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import sdcoreml
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import Document
from sdcoreml.ground.places import environments_folder

SCHEMA = 1
"""The version of a log's layout."""

KEPT = 100
"""How many logs are kept; the oldest are removed."""

_FOLDER = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedStep:
    """A step of a run, and how long it took, in seconds."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """The log of a conversion.

    `folder` is where the result was, `digest` that of its manifest. `seconds` passed on the clock,
    `cpu_seconds` are those of all processes together; `memory` is the peak, in bytes, of the
    largest process. `cores` and `system` are the machine's.
    """

    digest: str
    folder: str
    version: str
    began: datetime
    seconds: float
    cpu_seconds: float
    memory: int
    cores: int
    system: str
    steps: tuple[TimedStep, ...]
    warnings: tuple[str, ...] = ()
    schema: int = SCHEMA


class Recorder:
    """An `Emit` that passes all events on, and remembers steps and warnings."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._moment, self._began = datetime.now(timezone.utc), time.monotonic()
        self._starts: list[tuple[str, float]] = []
        self._warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        """Pass an event on."""
        if event.kind == "step":
            self._starts.append((event.text, time.monotonic()))
        elif event.kind == "warning":
            self._warnings.append(event.text)
        self._emit(event)

    def log(self, folder: Path, digest: str) -> RunLog:
        """Return the log of the run until now, for one of the folders that it made."""
        now = time.monotonic()
        ends = [*(moment for _, moment in self._starts[1:]), now]
        usage = [resource.getrusage(who) for who in _OURS]
        return RunLog(
            digest=digest,
            folder=str(folder.resolve()),
            version=sdcoreml.__version__,
            began=self._moment,
            seconds=round(now - self._began, 2),
            cpu_seconds=round(sum(one.ru_utime + one.ru_stime for one in usage), 2),
            memory=max(one.ru_maxrss for one in usage) * _UNIT,
            cores=_count_cores(),
            system=sys.platform,
            steps=tuple(
                TimedStep(text=text, seconds=round(end - start, 2))
                for (text, start), end in zip(self._starts, ends, strict=False)
            ),
            warnings=tuple(self._warnings),
        )


_OURS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_UNIT = 1 if sys.platform == "darwin" else 1024
"""What `ru_maxrss` counts in, in bytes."""


def _count_cores() -> int:
    import os

    return os.cpu_count() or 1


def keep(logs: Iterable[RunLog]) -> None:
    """Write logs; a place that is full or not writable costs no conversion its success."""
    with suppress(OSError, BadInputError, UsageError):
        folder = environments_folder() / _FOLDER
        if folder.parent.is_dir():
            folder.mkdir(exist_ok=True)
            for log in logs:
                write_text(folder / f"{log.digest}.json", f"{json.dumps(to_plain(log))}\n")
            for path in sorted(folder.glob("*.json"), key=_age)[:-KEPT]:
                path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    return path.stat().st_mtime


def find(digest: str) -> RunLog | None:
    """Return the log of the last run that made this folder; None if there is none to read."""
    with suppress(OSError, BadInputError, UsageError, ValueError):
        path = environments_folder() / _FOLDER / f"{digest}.json"
        if digest.isalnum() and path.is_file():
            return parse(read_object(path, Document.RECORD))
    return None


def parse(content: dict[str, object]) -> RunLog:
    """Parse a log; raise `DecodeError` for anything else."""
    log = from_plain(RunLog, content, "run")
    if log.schema != SCHEMA:
        raise DecodeError(f"schema {log.schema}; this version reads {SCHEMA}")
    return log

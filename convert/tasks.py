"""The child's side of `convert.worker`: serves one task, then ends.

Standard output carries events and nothing else: whatever a library prints goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import threading
from collections.abc import Mapping
from typing import Any

from convert.errors import ConvertError
from envs.events import Emit, Event, to_json

TASKS: Mapping[str, str] = {
    "sample": "convert.sample",
    "build": "convert.programs.task",
    "certify": "convert.certificates.task",
    "check": "convert.parity_task",
    "sensitivity": "convert.sensitivity",
}
"""Task name to the module whose `task(request, emit)` does it; imported when asked for."""

_KIBIBYTE = 1024


def serve() -> None:
    """Read one request from stdin, do it, answer, and leave."""
    request = json.loads(sys.stdin.buffer.readline())
    emit = _claim_stdout()
    _die_with_parent()
    try:
        module = importlib.import_module(TASKS[request["task"]])
        answer: dict[str, Any] = {"value": module.task(request["request"], emit)}
    except ConvertError as error:
        answer = {"error": {"type": type(error).__name__, "text": str(error)}}
    except MemoryError:
        text = f"{request['task']}: out of memory; close other programs and run again"
        answer = {"error": {"type": "WorkerError", "text": text}}
    emit(Event(kind="result", data={**answer, "peak_memory": peak_memory()}))
    sys.stderr.flush()
    os._exit(0)  # the libraries' own clean-up costs a second and frees nothing that matters


def peak_memory() -> int:
    """The highest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIBIBYTE


def _claim_stdout() -> Emit:
    """Keep stdout for events, send everybody else's printing to stderr."""
    private = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def emit(event: Event) -> None:
        private.write(to_json(event) + "\n")
        private.flush()

    return emit


def _die_with_parent() -> None:
    """End at once when stdin closes: that is how a parent's death looks from here."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), _KIBIBYTE):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

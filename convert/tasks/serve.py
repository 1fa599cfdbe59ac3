"""Runs one task in the child process that `convert.worker` starts, then ends.

stdout carries only events; everything that libraries print goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import threading
from collections.abc import Mapping

from sdcoreml.ground.crew import fields_of
from sdcoreml.ground.errors import SdcoremlError, WorkerError
from sdcoreml.ground.events import Emit, Event, to_json

TASKS: Mapping[str, str] = {
    "answers": "sdcoreml.convert.tasks.answers",
    "build": "sdcoreml.convert.tasks.build",
    "check": "sdcoreml.convert.tasks.check",
    "draw": "sdcoreml.convert.tasks.draw",
    "draw_loaded": "sdcoreml.convert.tasks.draw",
    "load": "sdcoreml.convert.tasks.load",
    "placement": "sdcoreml.convert.tasks.placement",
    "sensitivity": "sdcoreml.convert.tasks.sensitivity",
    "sheet": "sdcoreml.convert.tasks.sheet",
    "siblings": "sdcoreml.convert.tasks.siblings",
    "upstream": "sdcoreml.convert.tasks.upstream",
}
"""Maps each task to the module with its function `task(request, emit)`, imported when needed."""

_KIBIBYTE = 1024


def serve(tasks: Mapping[str, str] = TASKS) -> None:
    """Read one request from stdin, run its task, answer, and exit."""
    request = json.loads(sys.stdin.buffer.readline())
    emit = _claim_stdout()
    _die_with_parent()
    try:
        module = importlib.import_module(tasks[request["task"]])
        answer: dict[str, object] = {"value": module.task(request["request"], emit)}
    except SdcoremlError as error:
        answer = {"error": fields_of(error)}
    except MemoryError:
        answer = {"error": fields_of(_out_of_memory(request["task"]))}
    emit(Event(kind="result", data={**answer, "peak_memory": peak_memory()}))
    sys.stdout.flush()  # what libraries print goes where stderr goes, in blocks
    sys.stderr.flush()
    os._exit(0)  # the libraries' clean-up takes a second and is not needed


def _out_of_memory(task: str) -> WorkerError:
    return WorkerError("out of memory", where=task, remedy="close other programs and run again")


def peak_memory() -> int:
    """Return the highest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIBIBYTE


def _claim_stdout() -> Emit:
    """Keep stdout for events, and redirect all other output to stderr."""
    private = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def emit(event: Event) -> None:
        private.write(to_json(event) + "\n")
        private.flush()

    return emit


def _die_with_parent() -> None:
    """Exit as soon as stdin closes, which happens when the parent dies."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), _KIBIBYTE):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

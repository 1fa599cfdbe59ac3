"""Writes the events of a run as lines of JSON, for programs that draw bars of their own.

Each line is an object with `schema` and `event`; `doctor/schemas/jobs.schema.json` describes all.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import TextIO

from sdcoreml.doctor.core.overall import Overall
from sdcoreml.doctor.report.terminal import show
from sdcoreml.ground.events import Event

SCHEMA = 1
"""The version of the lines' format."""

PAUSE = 0.5
"""The least seconds between two lines of progress, unless a folder begins or ends."""


class EventLines:
    """An `Emit` that writes lines of JSON to a stream.

    A reader that goes away costs nobody the run: nothing more is written.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._overall = Overall(clock)
        self._step: dict[str, object] | None = None
        self._spoke = float("-inf")
        self._is_heard = True
        self._one_at_a_time = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Write what an event says."""
        with self._one_at_a_time:
            self._overall.hear(event)
            self._tell(event)

    def _tell(self, event: Event) -> None:
        text = show(event.text)
        match event.kind:
            case "folders":
                self._write("folders", folders=event.data, total=self._overall.total)
            case "begin":
                self._write("begin", text=text, folders=event.data)
                self._tell_progress()
            case "step":
                self._step = {"text": text, "done": 0, "total": 0, "unit": ""}
                self._write("step", text=text)
            case "progress":
                far = {"done": event.done, "total": event.total, "unit": event.unit}
                self._step = {**(self._step or {"text": text}), **far}
                self._tell_progress_now_and_then()
            case "labour":
                self._tell_progress_now_and_then()
            case "wait" if isinstance(event.data, dict):
                self._write("wait", text=text, **event.data)
            case "note" | "warning":
                self._write(event.kind, text=text)
            case "end" if isinstance(event.data, dict):
                self._write("end", result=event.data["outcome"])
                self._tell_progress()
            case _:
                pass

    def _tell_progress_now_and_then(self) -> None:
        if self._clock() - self._spoke >= PAUSE:
            self._tell_progress()

    def _tell_progress(self) -> None:
        overall, self._spoke = self._overall, self._clock()
        left = overall.left()
        self._write(
            "progress",
            done=overall.done,
            total=overall.total,
            elapsed=round(overall.elapsed, 1),
            left=None if left is None else round(left, 1),
            folders=[
                {"folder": folder, "done": done, "total": total}
                for folder, done, total in overall.running()
            ],
            step=self._step,
        )

    def _write(self, kind: str, **fields: object) -> None:
        if not self._is_heard:
            return
        line = json.dumps({"schema": SCHEMA, "event": kind, **fields})
        try:
            print(line, file=self._stream, flush=True)
        except (OSError, ValueError):
            self._is_heard = False

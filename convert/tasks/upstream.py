"""The task `upstream`: lets Apple's unmodified converter write one program.

The converter runs as its own users run it, as `__main__`, in a folder of its own. Stand-ins replace
modules that it imports and the tested environment lacks: diffusionkit (needed only for Stable
Diffusion 3) and pytest (needed by a test helper of coremltools). No network is used: the model is a
folder, and compiling and writing the tokenizer files are left to our own steps.
"""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TextIO

from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.errors import WorkerError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount

MODULE = "python_coreml_stable_diffusion.torch2coreml"
LOW_MEMORY, LOW_DISK = 500_000_000, 500_000_000
"""Bytes of free memory and disk space below which a warning is emitted."""

_SD3 = {
    "diffusionkit": (),
    "diffusionkit.tests": (),
    "diffusionkit.tests.torch2coreml": ("convert_mmdit_to_mlpackage", "convert_vae_to_mlpackage"),
}
_STEP = re.compile(r"INFO:[\w.]*:(?P<said>(?:Converting|JIT tracing|Chunking|Quantizing|Saved).*)")
_BAR = re.compile(r"(?P<what>[\w ][^:]*): +\d+%\|.*\| (?P<done>\d+)/(?P<total>\d+) ")
_PERIOD = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """A program for the upstream converter to write.

    `checkout` is the converter's folder, `folder` the one where it runs and has its temporary
    files, and `out` the folder to which its `arguments` tell it to write packages.
    """

    component: str
    checkout: str
    arguments: tuple[str, ...]
    folder: str
    out: str


def task(request: Mapping[str, object], emit: Emit) -> list[dict[str, object]]:
    """Run the converter for an `UpstreamRequest`.

    Returns the same as the task `build`: the program's CPU time in seconds and its packages.
    """
    asked = from_plain(UpstreamRequest, request)
    folder, out = Path(asked.folder), Path(asked.out)
    os.chdir(folder)
    (folder / "tmp").mkdir(exist_ok=True)
    tempfile.tempdir = str(folder / "tmp")
    stand_in()
    sys.path.insert(0, asked.checkout)
    sys.argv = ["torch2coreml", *asked.arguments]
    with _watch_room(folder, emit), _follow_stderr(emit):
        try:
            runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            if ended.code:
                what = f"it ended with exit code {ended.code}"
                raise WorkerError(
                    what, where=MODULE, remedy="read the converter's output"
                ) from None
    packages = sorted(str(path) for path in out.glob("*.mlpackage"))
    return [{"component": asked.component, "packages": packages, "cpu": time.process_time()}]


def stand_in() -> None:
    """Provide stand-ins for modules that the converter imports and the tested environment lacks."""
    if importlib.util.find_spec("diffusionkit") is None:
        sys.modules.update({name: _module(name, functions) for name, functions in _SD3.items()})
    if importlib.util.find_spec("pytest") is not None:
        return
    # diffusers and transformers look for pytest, and must not find the stand-in.
    for name in ("diffusers.utils", "transformers.utils"):
        importlib.import_module(name)
    sys.modules["pytest"] = _module("pytest", ())
    importlib.import_module("coremltools.converters.mil.testing_utils")
    del sys.modules["pytest"]


def _module(name: str, functions: tuple[str, ...]) -> ModuleType:
    module = ModuleType(name)
    for function in functions:
        setattr(module, function, _refuse)
    return module


def _refuse(*_: object, **__: object) -> None:
    raise WorkerError("diffusionkit is not in the tested environment", where=MODULE)


@contextmanager
def _follow_stderr(emit: Emit) -> Iterator[None]:
    """Report progress found in what is written to stderr, and pass everything on."""
    before = sys.stderr
    # Has only the methods of a stream that the converter uses.
    sys.stderr = Log(before, emit)
    try:
        yield
    finally:
        sys.stderr = before


class Log:
    """A stream that passes everything on, and reports the steps and progress bars in it."""

    encoding = "utf-8"

    def __init__(self, stream: TextIO, emit: Emit) -> None:
        self._stream = stream
        self._emit = emit
        self._line = ""

    def write(self, text: str) -> int:
        """Pass the text on, and report the complete lines and the progress bars in it."""
        *lines, self._line = re.split(r"[\r\n]", self._line + text)
        for line in lines:
            self._tell(line)
        if text.startswith(
            "\r"
        ):  # a progress bar starts with a carriage return and has no line end
            self._tell(text[1:])
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the underlying stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Return false: the stream is not a terminal."""
        return False

    def fileno(self) -> int:
        """Return the underlying stream's file descriptor."""
        return self._stream.fileno()

    def _tell(self, line: str) -> None:
        if found := _STEP.match(line):
            self._emit(Event(kind="step", text=f"upstream: {found['said'].rstrip('. ')}"))
        elif found := _BAR.match(line):
            done, total = int(found["done"]), int(found["total"])
            what = found["what"].strip()
            self._emit(Event(kind="progress", text=what, done=done, total=total, unit="passes"))


@contextmanager
def _watch_room(folder: Path, emit: Emit) -> Iterator[None]:
    """Warn, once each, if memory or disk space runs low while the block runs."""
    over = threading.Event()

    def watch() -> None:
        import psutil

        told: set[str] = set()
        while not over.wait(_PERIOD):
            with suppress(OSError):
                left = {
                    "memory": (psutil.virtual_memory().available, LOW_MEMORY),
                    f"disk at {folder}": (psutil.disk_usage(str(folder)).free, LOW_DISK),
                }
                for what, (free, least) in left.items():
                    if free < least and what not in told:
                        told.add(what)
                        emit(Event(kind="warning", text=f"{amount(free)} of {what} are left"))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

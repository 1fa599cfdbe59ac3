"""The task `load`: loads a compiled program through Core ML, runs it, and compares the results.

It needs coremltools on macOS, and no torch. Whatever Core ML does to this process, crash or hang,
it does to this process alone.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from sdcoreml.convert.bundle.contract import PACKAGE
from sdcoreml.convert.loading.record import Loading, Part
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.sampling import compare
from sdcoreml.convert.storage.package import open_program
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.errors import BrokenError, UnsupportedError
from sdcoreml.ground.events import Emit, Event

TIMED, LONGEST = 5, 10.0
"""A program is timed this often, unless that takes more than this many seconds."""

_LONGEST_TEXT = 300

Arrays = dict[str, np.ndarray]


class CompiledModel(Protocol):
    """A `CompiledMLModel` or `MLModel` of coremltools: a model that Core ML has loaded."""

    def predict(self, data: Arrays) -> Mapping[str, np.ndarray]:
        """Run the model once."""


Library = Callable[[str, object], CompiledModel]
"""Loads the compiled model, or the package, at a path for a compute unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """A program by its compiled model, or two halves, and the units that it may use.

    `units` is a name of `coremltools.ComputeUnit`. `inputs` is the file of inputs that the task
    `answers` wrote; without it, the program is only loaded.
    """

    compiled: tuple[str, ...]
    units: str
    inputs: str = ""
    answers: Answers | None = None


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Load and run the program of a `LoadRequest`; return its `Loading`.

    Raises:
        BrokenError: coremltools cannot be used in this environment.
        UnsupportedError: Core ML refuses the program, or cannot run it.
    """
    asked = from_plain(LoadRequest, request)
    library, units = open_library(asked.units)
    feeds = read_inputs(Path(asked.inputs)) if asked.inputs else []
    parts: list[Part] = []
    for name in asked.compiled:
        part, feeds = _measure(Path(name), library, units, feeds, emit)
        parts.append(part)
    outputs = {}
    if asked.answers and feeds:
        for name in asked.answers.outputs:
            require_output(name, feeds[0], asked.compiled[-1])
            outputs[name] = compare(asked.answers, name, [run[name] for run in feeds])
    import coremltools

    return dict(
        to_plain(Loading(coremltools=coremltools.__version__, parts=tuple(parts), outputs=outputs))
    )


def open_library(units: str) -> tuple[Library, object]:
    """Return what loads a model, as apps load it, and the compute unit of this name.

    A package is loaded as ComfyUI's nodes do it, by `MLModel`, which compiles it to a folder that
    is removed with the object; compiled models by `CompiledMLModel`.

    Raises:
        BrokenError: coremltools, or its binding to Core ML, cannot be imported.
    """
    try:
        import coremltools
        import coremltools.libcoremlpython  # its absence shows only on loading
        from coremltools.models import CompiledMLModel, MLModel

        return _library(CompiledMLModel, MLModel), coremltools.ComputeUnit[units]
    except (ImportError, OSError, AttributeError, KeyError) as error:
        raise BrokenError(
            f"coremltools cannot be used: {_said(error)}",
            remedy="`sdcoreml env verify --full` says whether the environment is as it was sealed",
        ) from None


def _library(compiled: Library, packaged: Callable[..., CompiledModel]) -> Library:
    def load(path: str, units: object) -> CompiledModel:
        if path.endswith(PACKAGE):
            return packaged(path, compute_units=units)
        return compiled(path, units)

    return load


def read_inputs(path: Path) -> list[Arrays]:
    """Return the inputs of each run from a file that the task `answers` wrote."""
    runs: dict[int, Arrays] = {}
    with np.load(path, allow_pickle=False) as stored:
        for key in stored.files:
            run, _, name = key.partition(".")
            runs.setdefault(int(run), {})[name] = stored[key]
    return [runs[run] for run in sorted(runs)]


def _measure(
    path: Path,
    library: Library,
    units: object,
    feeds: Sequence[Arrays],
    emit: Emit,
) -> tuple[Part, list[Arrays]]:
    """Load one compiled model twice and run it; return the figures, and inputs joined by outputs.

    Apps give a second half the inputs of the first one and its outputs.
    """
    emit(Event(kind="step", text=f"load {path.name} through Core ML"))
    model, cold = load_compiled(path, library, units)
    del model
    model, warm = load_compiled(path, library, units)
    part = Part(file=path.name, cold=cold, warm=warm)
    if not feeds:
        return part, []
    with open_program(path) as program:
        names = [item.name for item in program.function.inputs]
    given = [{name: feed[name] for name in names} for feed in feeds]
    outputs = [run_compiled(path, model, feed) for feed in given]
    times: list[float] = []
    while len(times) < TIMED and sum(times) < LONGEST:
        began = time.perf_counter()
        run_compiled(path, model, given[0])
        times.append(time.perf_counter() - began)
    emit(Event(kind="note", text=f"{path.name}: {statistics.median(times) * 1000:.1f} ms a run"))
    joined = [{**feed, **output} for feed, output in zip(feeds, outputs, strict=True)]
    return Part(file=path.name, cold=cold, warm=warm, run=statistics.median(times)), joined


def load_compiled(path: Path, library: Library, units: object) -> tuple[CompiledModel, float]:
    """Load a compiled model through Core ML; return it, and the seconds that this took.

    Raises:
        UnsupportedError: Core ML refuses it.
    """
    began = time.perf_counter()
    remedy = "convert the model with --target macOS13, or try again on a newer macOS"
    with _refusing("Core ML refuses it", path, remedy):
        model = library(str(path), units)
    return model, time.perf_counter() - began


def run_compiled(path: Path, model: CompiledModel, feed: Arrays) -> Arrays:
    """Run a loaded model once; return its outputs, float32.

    Raises:
        UnsupportedError: Core ML cannot run it.
    """
    remedy = "try other units, such as --units cpu"
    with _refusing("Core ML loads it and cannot run it", path, remedy):
        results = model.predict(dict(feed))
        return {name: np.asarray(result, np.float32) for name, result in results.items()}


@contextmanager
def _refusing(what: str, path: Path, remedy: str) -> Iterator[None]:
    """Raise `UnsupportedError` for whatever Core ML raises, but not for a lack of memory."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  Core ML raises whatever it likes
        raise UnsupportedError(f"{what}: {_said(error)}", where=path.name, remedy=remedy) from None


def require_output(name: str, outputs: Arrays, path: str) -> None:
    """Raise `UnsupportedError` if Core ML gave no output of this name."""
    if name not in outputs:
        raise UnsupportedError(
            f"Core ML gives no output {name}", where=Path(path).name, remedy="convert it again"
        )


def _said(error: Exception) -> str:
    """Return an error's text in one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."

"""Runs the compiled programs of a folder through Core ML itself, as a pipeline needs them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sdcoreml.convert.drawing.programs import Shapes
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.spec.model import Function
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.convert.storage.package import open_program
from sdcoreml.convert.tasks.load import (
    CompiledModel,
    load_compiled,
    open_library,
    require_output,
    run_compiled,
)


class LoadedPrograms:
    """The programs at `places`, by name: a compiled model, or the two halves of one.

    Core ML loads each when it is first needed; `units` maps each to the name of the
    `coremltools.ComputeUnit` that it may use.
    """

    def __init__(self, places: Mapping[str, Packages], units: Mapping[str, str]) -> None:
        self._places = places
        self._units = {name: open_library(one) for name, one in units.items()}
        self._functions: dict[str, Function] = {}
        self._models: dict[Path, tuple[CompiledModel, tuple[str, ...]]] = {}

    def inputs(self, name: str) -> Shapes:
        """Return the inputs of a program and their shapes; none if there is no such program."""
        return self._function(name).input_shapes if name in self._places else {}

    def outputs(self, name: str) -> tuple[str, ...]:
        """Return the names of a program's outputs."""
        return self._function(name).block.outputs

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        """Run a program; a second half gets the inputs, and the outputs of the first half."""
        place = self._places[name]
        given, found = dict(feeds), dict[str, np.ndarray]()
        for path in (place,) if isinstance(place, Path) else place:
            model, names = self._load(name, path)
            found = run_compiled(path, model, {one: given[one] for one in names})
            given |= found
        for port in self.outputs(name):
            require_output(port, found, os.fspath(path))
        return {port: np.asarray(found[port], np.float32) for port in self.outputs(name)}

    def _function(self, name: str) -> Function:
        if name not in self._functions:
            with open_whole(self._places[name]) as program:
                self._functions[name] = program.function
        return self._functions[name]

    def _load(self, name: str, path: Path) -> tuple[CompiledModel, tuple[str, ...]]:
        if path not in self._models:
            with open_program(path) as program:
                names = tuple(item.name for item in program.function.inputs)
            model, _ = load_compiled(path, *self._units[name])
            self._models[path] = model, names
        return self._models[path]

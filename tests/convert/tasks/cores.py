"""A coremltools for tests: what loads models and plans them, as plain objects."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.compile.package import compile_package
from tests.convert.compile.texts import package

Compute = Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]


class ComputeUnit(Enum):
    """Units as coremltools has them."""

    ALL = 1
    CPU_ONLY = 3


@dataclass
class Core:
    """What computes models by their stem, and what was asked of it."""

    models: Mapping[str, Compute]
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def load(self, kind: str, path: str, units: object) -> Model:
        self.asked.append((kind, Path(path).name, units))
        return Model(self, path)


@dataclass
class Model:
    """A model that was loaded."""

    core: Core
    path: str

    def predict(self, data: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        self.core.asked.append(("run", Path(self.path).name, tuple(data)))
        return self.core.models[Path(self.path).stem](data)

    def get_compiled_model_path(self) -> str:
        return self.path.replace(".mlpackage", ".compiled")


def install(monkeypatch: pytest.MonkeyPatch, core: Core) -> dict[str, Any]:
    """Let this process import a coremltools whose models the core loads; return its modules."""
    names = ("coremltools", "coremltools.libcoremlpython", "coremltools.models")
    made: dict[str, Any] = {name: ModuleType(name) for name in names}
    made["coremltools"].__version__ = "9.0"
    made["coremltools"].ComputeUnit = ComputeUnit
    made["coremltools.models"].CompiledMLModel = lambda path, units: core.load(
        "compiled", path, units
    )
    made["coremltools.models"].MLModel = lambda path, *, compute_units: core.load(
        "package", path, compute_units
    )
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)
    return made


def text_of(inputs: str, result: str) -> str:
    """Return the text of a program that adds its inputs, of four numbers each."""
    ports = ", ".join(f"tensor<fp32, [1, 4]> {name}" for name in inputs)
    first, last = inputs[0], inputs[-1]
    return (
        "program(1.0)\n"
        "[buildInfo = dict<tensor<string, []>, tensor<string, []>>({})]\n{\n"
        f"    func main<ios16>({ports}) {{\n"
        f"            tensor<fp32, [1, 4]> {result} = add(x = {first}, y = {last})"
        f'[name = tensor<string, []>("{result}")];\n'
        f"        }} -> ({result});\n}}"
    )


def write(folder: Path, name: str, inputs: str, result: str) -> Path:
    """Write a package or a compiled model by its name; return its path."""
    path = folder / name
    made = package(path.with_suffix(".mlpackage"), text_of(inputs, result))
    return compile_package(made, path).path if path.suffix == ".mlmodelc" else made

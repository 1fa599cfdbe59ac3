"""Where Core ML says that operations run, counted by unit and by kind."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sdcoreml.convert.tasks.placement import task
from sdcoreml.ground.errors import UnsupportedError
from sdcoreml.ground.events import Event, silent
from tests.convert.tasks.cores import ComputeUnit, Core, install

PLAN = "coremltools.models.compute_plan"


def device(name: str) -> object:
    return type(name, (), {})()


CPU, GPU, NE, OTHER = map(
    device,
    ("MLCPUComputeDevice", "MLGPUComputeDevice", "MLNeuralEngineComputeDevice", "MLQuantumDevice"),
)
PLANS: Mapping[str, list[tuple[str, object]]] = {
    "A.mlmodelc": [
        ("const", None),
        ("ios16.conv", NE),
        ("ios16.conv", NE),
        ("ios16.softmax", CPU),
        ("ios16.constexpr_lut_to_dense", CPU),
        ("ios16.add", GPU),
        ("ios16.mul", OTHER),
    ],
    "B.mlmodelc": [("ios16.softmax", CPU), ("ios16.cast", CPU)],
    "C.compiled": [("ios16.conv", GPU)],
}


@dataclass
class Plan:
    """A plan as coremltools gives it."""

    operations: list[tuple[str, object]]

    @property
    def model_structure(self) -> object:
        operations = [
            SimpleNamespace(operator_name=name, device=where) for name, where in self.operations
        ]
        block = SimpleNamespace(operations=operations)
        functions = {"main": SimpleNamespace(block=block)}
        return SimpleNamespace(program=SimpleNamespace(functions=functions))

    def get_compute_device_usage_for_mlprogram_operation(self, one: Any) -> object:
        return one.device and SimpleNamespace(preferred_compute_device=one.device)


def install_plans(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, object]]) -> None:
    def load_from_path(*, path: str, compute_units: object) -> Plan:
        asked.append((path, compute_units))
        return Plan(PLANS[Path(path).name])

    plans = ModuleType(PLAN)
    plans.MLComputePlan = SimpleNamespace(load_from_path=load_from_path)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, PLAN, plans)


def test_operations_are_counted_by_unit_and_those_on_the_cpu_by_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core, asked, told = Core({}), list[tuple[str, object]](), list[Event]()
    install(monkeypatch, core)
    install_plans(monkeypatch, asked)
    paths = ["/a/A.mlmodelc", "/a/B.mlmodelc", "/a/C.mlpackage"]
    found = task({"compiled": paths, "units": "CPU_ONLY"}, told.append)
    assert found == {"cpu": 3, "gpu": 2, "ne": 2, "on_cpu": {"cast": 1, "softmax": 2}}
    assert [*found["on_cpu"]] == ["cast", "softmax"]  # type: ignore[misc]
    compiled = ["/a/A.mlmodelc", "/a/B.mlmodelc", "/a/C.compiled"]
    assert asked == [(path, ComputeUnit.CPU_ONLY) for path in compiled]
    assert core.asked == [("package", "C.mlpackage", ComputeUnit.CPU_ONLY)]
    assert [(one.kind, one.text) for one in told] == [
        ("step", "ask Core ML where its operations run")
    ]


@pytest.mark.parametrize("plans", [None, ModuleType(PLAN)], ids=["no module", "an empty one"])
def test_older_versions_cannot_be_asked(
    plans: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Core({}))
    monkeypatch.setitem(sys.modules, PLAN, plans)
    with pytest.raises(UnsupportedError, match=r"^this coremltools has no MLComputePlan$"):
        task({"compiled": [], "units": "ALL"}, silent)

"""What Core ML is asked by a pipeline: each program once, in halves, on the units it may use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.tasks.loaded import LoadedPrograms
from sdcoreml.ground.errors import UnsupportedError
from tests.convert.tasks.cores import ComputeUnit, Core, install, write

X = np.arange(4, dtype=np.float32).reshape(1, 4)


def doubled(data: Mapping[str, np.ndarray]) -> Mapping[str, object]:
    return {"y": (2 * data["x"]).astype(np.float64), "more": data["x"]}


def summed(data: Mapping[str, np.ndarray]) -> Mapping[str, object]:
    return {"z": data["x"] + data["y"], "more": data["x"]}


def test_a_program_is_loaded_when_it_is_first_run_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = Core({"A": doubled, "B": doubled})
    install(monkeypatch, core)
    places = {name: write(tmp_path, f"{name}.mlmodelc", "x", "y") for name in "AB"}
    programs = LoadedPrograms(places, {"A": "CPU_ONLY", "B": "ALL"})
    assert programs.inputs("A") == {"x": (1, 4)}
    assert programs.inputs("absent") == {}
    assert programs.outputs("A") == ("y",)
    assert core.asked == []
    for _ in range(2):
        found = programs.run("A", {"x": X})
        assert {name: value.tolist() for name, value in found.items()} == {"y": [[0, 2, 4, 6]]}
        assert found["y"].dtype == np.float32
    programs.run("B", {"x": X})
    ran = ("run", "A.mlmodelc", ("x",))
    assert core.asked == [
        ("compiled", "A.mlmodelc", ComputeUnit.CPU_ONLY),
        *(ran, ran),
        ("compiled", "B.mlmodelc", ComputeUnit.ALL),
        ("run", "B.mlmodelc", ("x",)),
    ]


def test_a_second_half_gets_the_inputs_and_what_the_first_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = Core({"A": doubled, "B": summed})
    install(monkeypatch, core)
    halves = write(tmp_path, "A.mlmodelc", "x", "y"), write(tmp_path, "B.mlmodelc", "xy", "z")
    programs = LoadedPrograms({"Unet": halves}, {"Unet": "ALL"})
    assert programs.inputs("Unet") == {"x": (1, 4)}
    found = programs.run("Unet", {"x": X})
    assert {name: value.tolist() for name, value in found.items()} == {"z": [[0, 3, 6, 9]]}
    assert core.asked == [
        ("compiled", "A.mlmodelc", ComputeUnit.ALL),
        ("run", "A.mlmodelc", ("x",)),
        ("compiled", "B.mlmodelc", ComputeUnit.ALL),
        ("run", "B.mlmodelc", ("x", "y")),
    ]


def test_an_output_that_core_ml_does_not_give_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Core({"A": lambda data: {"other": data["x"]}}))
    places = {"A": write(tmp_path, "A.mlmodelc", "x", "y")}
    with pytest.raises(UnsupportedError, match=r"^A\.mlmodelc: Core ML gives no output y;"):
        LoadedPrograms(places, {"A": "ALL"}).run("A", {"x": X})

"""What Core ML is asked, what it is timed at, and how each of its refusals is told."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.tasks.load import read_inputs, task
from sdcoreml.ground.errors import BrokenError, SdcoremlError, UnsupportedError
from sdcoreml.ground.events import Event, silent
from tests.convert.tasks.cores import ComputeUnit, Core, install, write

X = np.arange(4, dtype=np.float32).reshape(1, 4)
LOADS = [3.0, 1.0]
RUNS = [0.5, 0.1, 0.2, 0.4, 0.3]


def clock(durations: list[float]) -> Iterator[float]:
    """Yield what a clock shows before and after each thing that takes so long."""
    now = 100.0
    for seconds in durations:
        yield now
        now += seconds
        yield now
        now += 1000.0


def set_clock(monkeypatch: pytest.MonkeyPatch, *durations: float) -> None:
    shown = clock(list(durations))
    monkeypatch.setattr(time, "perf_counter", lambda: next(shown))


def doubled(data: Mapping[str, np.ndarray]) -> Mapping[str, object]:
    return {"y": (2 * data["x"]).astype(np.float64)}


def summed(data: Mapping[str, np.ndarray]) -> Mapping[str, object]:
    return {"z": data["x"] + data["y"]}


def numbers(*found: float) -> str:
    return base64.b64encode(np.array(found, "<f2").tobytes()).decode()


def store(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)


def request(folder: Path, *compiled: Path, **more: Any) -> dict[str, Any]:
    """Return a request with the inputs of two runs, stored in another order."""
    inputs = folder / "inputs.npz"
    store(inputs, {"1.x": -X, "0.x": X, "0.unused": X})
    asked = {"compiled": [str(path) for path in compiled], "units": "CPU_ONLY"}
    return {**asked, "inputs": str(inputs), **more}


def answers(**outputs: str) -> dict[str, Any]:
    return {"seed": 0, "runs": 2, "inputs": "", "outputs": outputs}


def refusal(asked: Mapping[str, Any]) -> tuple[str, type[SdcoremlError]]:
    with pytest.raises(SdcoremlError) as caught:
        task(asked, silent)
    return str(caught.value), type(caught.value)


def test_two_halves_are_loaded_twice_each_timed_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = Core({"A": doubled, "B": summed})
    install(monkeypatch, core)
    first = write(tmp_path, "A.mlmodelc", "x", "y")
    second = write(tmp_path, "B.mlmodelc", "xy", "z")
    set_clock(monkeypatch, *LOADS, *RUNS, 5, 4, 5, 4.75, 0.5)
    told: list[Event] = []
    wanted = answers(z=numbers(0, 3, 6, 9, 0, -3, -6, -8))
    found = task(request(tmp_path, first, second, answers=wanted), told.append)
    assert found == {
        "coremltools": "9.0",
        "parts": [
            {"file": "A.mlmodelc", "cold": 3.0, "warm": 1.0, "run": pytest.approx(0.3)},
            {"file": "B.mlmodelc", "cold": 5.0, "warm": 4.0, "run": pytest.approx(4.75)},
        ],
        "outputs": {"z": {"psnr": 24.08, "max_error": 1.0}},
    }
    assert [(one.kind, one.text) for one in told] == [
        ("step", "load A.mlmodelc through Core ML"),
        ("note", "A.mlmodelc: 300.0 ms a run"),
        ("step", "load B.mlmodelc through Core ML"),
        ("note", "B.mlmodelc: 4750.0 ms a run"),
    ]
    loads = [("compiled", name, ComputeUnit.CPU_ONLY) for name in ("A.mlmodelc", "B.mlmodelc")]
    assert core.asked == [
        *[loads[0]] * 2,
        *[("run", "A.mlmodelc", ("x",))] * 7,
        *[loads[1]] * 2,
        *[("run", "B.mlmodelc", ("x", "y"))] * 5,
    ]


@pytest.mark.parametrize(
    ("durations", "median"), [((4.0, 6.0), 5.0), ((4.0, 5.9, 2.0), 4.0), ((10.5,), 10.5)]
)
def test_a_slow_program_is_timed_for_ten_seconds(
    durations: tuple[float, ...], median: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = Core({"A": doubled})
    install(monkeypatch, core)
    compiled = write(tmp_path, "A.mlmodelc", "x", "y")
    set_clock(monkeypatch, *LOADS, *durations)
    found = task(request(tmp_path, compiled), silent)
    assert found["parts"] == [{"file": "A.mlmodelc", "cold": 3.0, "warm": 1.0, "run": median}]
    assert found["outputs"] == {}


def test_without_inputs_a_program_is_only_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = Core({})
    install(monkeypatch, core)
    package = write(tmp_path, "A.mlpackage", "x", "y")
    set_clock(monkeypatch, *LOADS)
    wanted = answers(y=numbers(0, 0))
    asked = {"compiled": [str(package)], "units": "ALL", "answers": wanted}
    assert task(asked, silent) == {
        "coremltools": "9.0",
        "parts": [{"file": "A.mlpackage", "cold": 3.0, "warm": 1.0, "run": None}],
        "outputs": {},
    }
    assert core.asked == [("package", "A.mlpackage", ComputeUnit.ALL)] * 2


def test_inputs_are_read_run_by_run(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    store(path, {"10.a.b": X, "2.a": X + 1, "2.b": X + 2})
    first, last = read_inputs(path)
    assert list(first) == ["a", "b"]
    assert list(last) == ["a.b"]
    assert np.array_equal(first["b"], X + 2)
    store(path, {"0.a": np.array([{}], object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        read_inputs(path)


def raises(error: Exception) -> Any:
    def compute(_: object) -> Mapping[str, object]:
        raise error

    return compute


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("error\n  code: -1"), "error code: -1"),
        (ValueError(), "ValueError"),
        (RuntimeError("e" * 300), "e" * 300),
        (RuntimeError("e" * 301), "e" * 300 + "..."),
    ],
)
def test_what_core_ml_cannot_run(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Core({"A": raises(error)}))
    asked = request(tmp_path, write(tmp_path, "A.mlmodelc", "x", "y"))
    assert refusal(asked) == (
        (
            f"A.mlmodelc: Core ML loads it and cannot run it: {said}; try other units, such as"
            " --units cpu"
        ),
        UnsupportedError,
    )


def test_what_core_ml_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = install(monkeypatch, Core({}))
    refuse = raises(RuntimeError("its version is 99"))
    modules["coremltools.models"].CompiledMLModel = lambda path, _: refuse(path)
    asked = request(tmp_path, write(tmp_path, "A.mlmodelc", "x", "y"))
    assert refusal(asked) == (
        (
            "A.mlmodelc: Core ML refuses it: its version is 99; convert the model with"
            " --target macOS13, or try again on a newer macOS"
        ),
        UnsupportedError,
    )


def test_a_lack_of_memory_is_no_fault_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Core({"A": raises(MemoryError())}))
    with pytest.raises(MemoryError):
        task(request(tmp_path, write(tmp_path, "A.mlmodelc", "x", "y")), silent)


def test_an_output_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Core({"A": doubled, "B": lambda data: {"other": data["y"]}}))
    parts = (
        write(tmp_path, "A.mlmodelc", "x", "y"),
        write(tmp_path, "B.mlmodelc", "xy", "z"),
    )
    assert refusal(request(tmp_path, *parts, answers=answers(z=numbers(0, 0)))) == (
        "B.mlmodelc: Core ML gives no output z; convert it again",
        UnsupportedError,
    )


def test_coremltools_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = install(monkeypatch, Core({}))
    asked = {"compiled": [], "units": "GPU"}
    remedy = "`sdcoreml env verify --full` says whether the environment is as it was sealed"
    assert refusal(asked) == (f"coremltools cannot be used: 'GPU'; {remedy}", BrokenError)
    del modules["coremltools"].ComputeUnit
    assert refusal(asked)[1] is BrokenError
    monkeypatch.setitem(sys.modules, "coremltools.models", ModuleType("coremltools.models"))
    assert "cannot import name 'CompiledMLModel'" in refusal(asked)[0]
    monkeypatch.setitem(sys.modules, "coremltools.libcoremlpython", None)
    said, kind = refusal(asked)
    assert "coremltools cannot be used: import of coremltools.libcoremlpython halted" in said
    assert kind is BrokenError

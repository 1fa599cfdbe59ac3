"""The task `placement`: asks Core ML on which unit it plans to run each operation.

Only coremltools 8 and newer can ask, on macOS 14.4 and newer. It has a process of its own, so that
nothing measured before is lost if Core ML ends it.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sdcoreml.convert.bundle.contract import PACKAGE
from sdcoreml.convert.loading.record import Placement
from sdcoreml.convert.tasks.load import open_library
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.errors import UnsupportedError
from sdcoreml.ground.events import Emit, Event

_DEVICES: Mapping[str, str] = {
    "MLCPUComputeDevice": "cpu",
    "MLGPUComputeDevice": "gpu",
    "MLNeuralEngineComputeDevice": "ne",
}
"""The names of coremltools' classes of devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRequest:
    """Compiled models, and the units that they may use (a name of `coremltools.ComputeUnit`)."""

    compiled: tuple[str, ...]
    units: str


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Return the `Placement` of the operations of a `PlacementRequest`.

    Raises:
        UnsupportedError: this coremltools cannot ask.
        BrokenError: coremltools cannot be used in this environment.
    """
    asked = from_plain(PlacementRequest, request)
    emit(Event(kind="step", text="ask Core ML where its operations run"))
    library, units = open_library(asked.units)
    try:
        plans = importlib.import_module("coremltools.models.compute_plan").MLComputePlan
    except (ImportError, AttributeError):
        raise UnsupportedError("this coremltools has no MLComputePlan") from None
    found: list[tuple[str, str]] = []
    for path in asked.compiled:
        if path.endswith(PACKAGE):  # Core ML's own compiled model is there as long as this object
            model: Any = library(path, units)
            found += _places(plans, model.get_compiled_model_path(), units)
        else:
            found += _places(plans, path, units)
    totals = Counter(device for device, _ in found)
    placement = Placement(
        cpu=totals["cpu"],
        gpu=totals["gpu"],
        ne=totals["ne"],
        on_cpu=dict(sorted(Counter(kind for device, kind in found if device == "cpu").items())),
    )
    return dict(to_plain(placement))


def _places(plans: Any, path: str, units: object) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Yield the unit and the type of each operation; constants, compressed or not, do not count."""
    plan = plans.load_from_path(path=path, compute_units=units)
    for operation in plan.model_structure.program.functions["main"].block.operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        device = _DEVICES.get(type(usage.preferred_compute_device).__name__) if usage else None
        kind = operation.operator_name.rpartition(".")[2]
        if device and not kind.startswith("constexpr_"):
            yield device, kind

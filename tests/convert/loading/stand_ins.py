"""Runners that answer as a Mac would, and a Mac."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdcoreml.convert.loading.record import Machine
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.events import Emit, silent

MAC = Machine(chip="M2", macos="15.2", memory=16 << 30)
PLACEMENT = {"cpu": 2, "gpu": 0, "ne": 40, "on_cpu": {"gather": 1, "cast": 1}}


@dataclass
class CoreML:
    """A `Runner` whose Core ML gives `psnr` for every output, or raises what `faults` says.

    `faults` maps the name of a compiled model, or of a task, to the error.
    """

    psnr: float = 71.9
    faults: Mapping[str, SdcoremlError] = field(default_factory=dict)
    coremltools: str = "9.0"
    requests: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        """Answer one task, and record the request."""
        del emit
        self.requests.append((task, request))
        if task in self.faults:
            raise self.faults[task]
        if task == "answers":
            said = {"seed": 7, "runs": 1, "inputs": "5f", "outputs": {"y": "AAA="}}
            programs = request["programs"]
            found: object = [
                {"answers": one.get("answers", said), "computed": "answers" not in one}
                for one in programs
            ]
            return Outcome(value=found, peak_memory=1)
        if task == "placement":
            return Outcome(value=PLACEMENT, peak_memory=1)
        names = [Path(path).name for path in request["compiled"]]
        for name in names:
            if name in self.faults:
                raise self.faults[name]
        ran = "inputs" in request
        value = {
            "coremltools": self.coremltools,
            "parts": [
                {"file": name, "cold": 93.0, "warm": 0.5, "run": 0.4025 if ran else None}
                for name in names
            ],
            "outputs": {"y": {"psnr": self.psnr, "max_error": 0.01}} if ran else {},
        }
        return Outcome(value=value, peak_memory=5_000_000)

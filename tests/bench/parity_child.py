"""The child process of `tests.bench.parity_rows`: builds, runs and compares programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.check import FULL, check_component
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.programs.options import parse_options
from sdcoreml.convert.tasks.build import task
from sdcoreml.ground.events import silent
from tests.bench.checkpoints import SPREADS


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A component's config and weights, and the folder in which its packages are built."""

    component: str
    config: Mapping[str, Any]
    folder: Path
    runs: int | None

    @property
    def weights(self) -> Path:
        """Return the path of the component's safetensors file."""
        return self.folder / "weights.safetensors"

    def make(self, spread: str) -> None:
        """Write the component's config and random weights."""
        (self.folder / "config.json").write_text(json.dumps(self.config), encoding="utf-8")
        SPREADS[spread](self.component, self.config, self.weights)

    def check(
        self,
        options: Mapping[str, Any],
        modes: tuple[Mode, ...],
        recipe: Mapping[str, Any] | None = None,
    ) -> Parity:
        """Build one program and check it in the given precisions, at all of the timesteps."""
        package = self.folder / "Program.mlpackage"
        program = {
            "component": self.component,
            "package": str(package),
            "options": options,
            "recipe": recipe,
        }
        files = {"config": str(self.folder / "config.json"), "weights": str(self.weights)}
        task({"components": [{**files, "programs": [program]}]}, silent)
        depth = replace(FULL, modes=modes, runs=self.runs, program=parse_options(options))
        parity = check_component(self.component, package, self.config, self.weights, depth)
        if faults := parity.audit.faults():
            raise SystemExit(f"{self.component}: {'; '.join(faults)}")
        return parity


def plain(work: Work, options: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of the program without compression."""
    half = work.check(options, (Mode.FP32, Mode.FP16))
    single = work.check({**options, "precision": "fp32"}, (Mode.FP32,))
    return {
        "fp32 mode": half.psnr(Mode.FP32),
        "fp16 mode": half.psnr(Mode.FP16),
        "fp32 program": single.psnr(Mode.FP32),
    }


def fidelity(work: Work, options: Mapping[str, Any], recipe: Mapping[str, Any]) -> float:
    """Return how close the module stays with compressed weights: the lowest PSNR in dB."""
    return min(item.psnr for item in work.check(options, (), recipe).fidelity)


def main() -> None:
    """Do what the first argument (JSON) requests; print a line of JSON for each attention."""
    request = json.loads(sys.argv[1])
    work = Work(
        component=request["component"],
        config=request["config"],
        folder=Path(request["folder"]),
        runs=request["runs"],
    )
    work.make(request["spread"])
    compressed: dict[str, float] = {}
    for attention in request["attentions"]:
        options = {**request["options"], **({"attention": attention} if attention else {})}
        figures = plain(work, options) if request["programs"] else {}
        for name, recipe in request["recipes"].items():
            if name not in compressed:
                compressed[name] = fidelity(work, options, recipe)
        told = {"attention": attention, "figures": {**figures, **compressed}}
        print(json.dumps(told), flush=True)

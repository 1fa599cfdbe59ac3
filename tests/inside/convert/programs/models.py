"""Makes tiny models with the real architectures, and builds and checks packages of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.parity.check import CheckOptions, check_component
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.programs import build_program
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import DrawnProgram
from sdcoreml.convert.references.components import reference
from sdcoreml.convert.weights.safetensors import TensorFile
from tests.inside.convert.programs.configs import CONFIGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A component on disk: its config and weight file."""

    component: str
    config: Mapping[str, Any]
    weights: Path

    def build(self, options: ProgramOptions | None = None) -> DrawnProgram:
        with TensorFile.open(self.weights) as tensors:
            return build_program(self.component, self.config, tensors, options)

    def write(self, path: Path, options: ProgramOptions | None = None) -> Path:
        with TensorFile.open(self.weights) as tensors:
            built = build_program(self.component, self.config, tensors, options)
            write_package(built, tensors, path)
        return path

    def check(self, path: Path, options: ProgramOptions | None = None, **choices: Any) -> Parity:
        """Build and check a package; `choices` are the program options given to the reference."""
        package = self.write(path, options)
        depth = CheckOptions(program=ProgramOptions(**choices))
        return check_component(self.component, package, self.config, self.weights, depth)


def module(component: str, config: Mapping[str, Any]) -> torch.nn.Module:
    """Return the pinned libraries' module with random weights, norms included."""
    torch.manual_seed(7)
    made = reference(component).build(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 1 or not parameter.any():
                parameter.add_(0.2 * torch.randn_like(parameter))
    return made


def save(state: Mapping[str, torch.Tensor], path: Path, dtype: torch.dtype = torch.float16) -> Path:
    save_file({name: tensor.to(dtype).contiguous() for name, tensor in state.items()}, path)
    return path


def checkpoint(
    component: str, folder: Path, changes: Mapping[str, Any] | None = None
) -> Checkpoint:
    """Write a tiny component, with `changes` to the values of its config."""
    config = json.loads(json.dumps({**CONFIGS.get(component, {}), **(changes or {})}))
    folder.mkdir(parents=True, exist_ok=True)
    weights = save(module(component, config).state_dict(), folder / f"{component}.safetensors")
    return Checkpoint(component=component, config=config, weights=weights)

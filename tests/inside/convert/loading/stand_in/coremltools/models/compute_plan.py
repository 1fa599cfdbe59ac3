"""Stands in for `coremltools.models.compute_plan`: convolutions run on the Neural Engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.spec.model import Operation
from sdcoreml.convert.storage.package import open_program


class MLCPUComputeDevice:
    """The CPU."""


class MLNeuralEngineComputeDevice:
    """The Neural Engine."""


@dataclass(frozen=True)
class Usage:
    """The device of an operation."""

    preferred_compute_device: object


@dataclass(frozen=True)
class Planned:
    """An operation of a plan."""

    operator_name: str


@dataclass(frozen=True)
class Block:
    """The operations of a function."""

    operations: tuple[Planned, ...]


@dataclass(frozen=True)
class Function:
    """A function of a program."""

    block: Block


@dataclass(frozen=True)
class Program:
    """The program of a plan."""

    functions: Mapping[str, Function]


@dataclass(frozen=True)
class Structure:
    """The structure of a plan."""

    program: Program


@dataclass(frozen=True)
class MLComputePlan:
    """Where operations run."""

    model_structure: Structure

    @staticmethod
    def load_from_path(path: str, compute_units: object) -> MLComputePlan:  # noqa: ARG004
        """Plan a compiled model; with the fault `planless`, end the process."""
        if os.environ.get("FAULT") == f"planless:{Path(path).stem}":
            os.kill(os.getpid(), signal.SIGABRT)
        with open_program(Path(path)) as opened:
            found = tuple(map(_plan, opened.function.block.operations))
        function = Function(block=Block(operations=found))
        program = Program(functions={"main": function})
        return MLComputePlan(model_structure=Structure(program=program))

    def get_compute_device_usage_for_mlprogram_operation(self, one: Planned) -> Usage | None:
        """Return the device of an operation; `None` for a constant."""
        if one.operator_name == "const":
            return None
        is_neural = one.operator_name == "ios16.conv"
        device = MLNeuralEngineComputeDevice() if is_neural else MLCPUComputeDevice()
        return Usage(preferred_compute_device=device)


def _plan(one: Operation) -> Planned:
    return Planned(operator_name="const" if one.type == "const" else f"ios16.{one.type}")

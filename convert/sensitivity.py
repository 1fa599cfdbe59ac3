"""The worker's task "sensitivity": how much each layer's rounding moves a program's output.

The program is drawn for a small picture and run without being written: once as it is, then once for
each layer with only that layer's weight compressed. At the end the mixture that follows is compared
with uniform bits, both run in full.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from convert.allotment import PROBED, Layer, allot, average_bits
from convert.clustering import cluster
from convert.compress import compress, compressible
from convert.compression_recipe import WHOLE, Method, Recipe
from convert.mil.interpreter import Executable
from convert.miniature import small_size
from convert.palette import error, histogram
from convert.parity import input_shapes
from convert.programs import build_program
from convert.programs.options import parse_options
from convert.programs.payload import Built, Payload, Tensors
from convert.programs.task import read_config
from convert.references.components import reference
from convert.references.inputs import Feeds
from convert.spec.model import Blob, DataType
from convert.weights.safetensors import TensorFile
from envs.events import Emit, Event

_COMPARED = (2, 4, 6)
_MEASURED = (1, 2, 4, 6)
"""Widths at which the weight's own error is computed; each two bits more leave a sixteenth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """The weights of a built program, each read from the checkpoint when it is asked for."""

    payloads: Mapping[int, Payload]
    tensors: Tensors

    def read(self, blob: Blob, dtype: DataType) -> bytearray:
        """The bytes that the record at this place would have."""
        blocks = self.payloads[blob.offset].source.blocks(self.tensors, dtype)
        return bytearray(b"".join(block.tobytes() for block in blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A program that is measured: built, with its checkpoint and one set of inputs."""

    built: Built
    tensors: Tensors
    feeds: Feeds

    def outputs(self, recipe: Recipe) -> torch.Tensor:
        """All that the program computes with its weights compressed so, as one vector."""
        built = compress(self.built, self.tensors, recipe)
        places = {payload.offset: payload for payload in built.payloads}
        function = built.model.program.functions["main"]
        program = Executable(
            function=function,
            storage=Unwritten(payloads=places, tensors=self.tensors),
            label=built.component,
        )
        results = program.run(self.feeds)
        return torch.cat([results[name].double().flatten() for name in sorted(results)])


def task(request: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Bits for each layer of `request["component"]`, `request["bits"]` on average.

    Also read: `config` and `weights` (paths) and `options` (fields of `ProgramOptions`). Answers
    `layers` (name to bits), `average`, and the PSNR in dB, against the program as it is, of the
    mixture (`psnr`) and of each uniform width (`uniform`).
    """
    component, config = request["component"], read_config(Path(request["config"]))
    choices = {**request.get("options", {})}
    if size := small_size(config, choices):
        choices["height"], choices["width"] = size
    with TensorFile.open(Path(request["weights"])) as tensors:
        built = build_program(component, config, tensors, parse_options(choices))
        shapes = input_shapes(built.model.program.functions["main"])
        feeds = reference(component).feeds(config, shapes)[0]
        subject = Subject(built=built, tensors=tensors, feeds=feeds)
        emit(Event(kind="step", text=f"measure the layers of {component}"))
        plain = subject.outputs(_only({}))
        layers = measure(subject, plain, emit)
        bits = allot(layers, request["bits"])
        emit(Event(kind="step", text="compare the mixture with uniform bits"))
        return {
            "layers": bits,
            "average": average_bits(layers, bits),
            "psnr": psnr(plain, subject.outputs(_only(bits))),
            "uniform": {
                width: psnr(plain, subject.outputs(Recipe(bits=width))) for width in _COMPARED
            },
        }


def measure(subject: Subject, plain: torch.Tensor, emit: Emit) -> list[Layer]:
    """Every layer that can be compressed; `plain` is what the program computes as it is."""
    payloads = tuple(compressible(subject.built))
    done = itertools.count(1)
    layers = []
    for payload in payloads:
        moved = subject.outputs(_only({payload.name: PROBED}))
        half = DataType.FLOAT16
        counted = histogram(payload.source.blocks(subject.tensors, half), payload.name)
        errors = {bits: error(counted, cluster(counted, 1 << bits)) for bits in _MEASURED}
        layers.append(
            Layer(
                name=payload.name,
                elements=payload.nbytes // 2,
                effect=float((moved - plain).square().mean() / plain.var()),
                errors={**errors, 8: errors[6] / 16, WHOLE: 0.0},
            )
        )
        emit(
            Event(
                kind="progress",
                text="layers",
                done=next(done),
                total=len(payloads),
                unit="layers",
            )
        )
        subject.tensors.release()
    return layers


def psnr(wanted: torch.Tensor, found: torch.Tensor) -> float:
    """In dB, as `convert.figures.distance` has it."""
    rms = (wanted - found).square().mean().sqrt()
    return round(float(20 * torch.log10((wanted.max() - wanted.min()) / rms)), 2)


def _only(layers: Mapping[str, int]) -> Recipe:
    """Only these layers are compressed."""
    return Recipe(method=Method.KMEANS, bits=WHOLE, layers=layers)

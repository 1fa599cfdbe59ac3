"""The task `sensitivity`: measures how much rounding each layer changes a program's output.

The program is drawn for a small image and run without being written: once unchanged, and in
variants in which one layer's weight is rounded to a palette. At the end, the resulting mixture of
bits is compared with uniform bits.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from sdcoreml.convert.compression.allotment import PROBED, Layer, allot, average_bits
from sdcoreml.convert.compression.clustering import cluster
from sdcoreml.convert.compression.compress import compressible
from sdcoreml.convert.compression.palette import code_table, error, histogram
from sdcoreml.convert.compression.recipe import WHOLE, palette_bits
from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.mil.variants import Outputs, Scene
from sdcoreml.convert.models.known import open_known
from sdcoreml.convert.parity.miniature import small_size
from sdcoreml.convert.programs import build_program
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import DescribedTensors, DrawnProgram, Payload, Tensors
from sdcoreml.convert.references.components import reference
from sdcoreml.convert.references.inputs import Feeds
from sdcoreml.convert.spec.model import Blob, DataType
from sdcoreml.convert.tasks.build import read_config
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.events import Emit, Event

TOGETHER = 16
"""The number of variants that run at a time, as rows of a batch."""

_COMPARED = (2, 4, 6)
_ASSUMED = 8
"""The width in bits whose errors are not measured, but taken as 1/16 of those at two bits less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """Weights of a checkpoint, unchanged or rounded; `palettes` caches those already made."""

    tensors: Tensors
    palettes: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)

    def errors(self, payload: Payload, widths: Sequence[int]) -> dict[int, float]:
        """Measure the squared error of a weight for each width of codes, in bits."""
        half = DataType.FLOAT16
        counted = histogram(payload.source.blocks(self.tensors, half), payload.name)
        for bits in widths:
            self.palettes[payload.name, bits] = cluster(counted, 1 << bits)
        return {bits: error(counted, self.palettes[payload.name, bits]) for bits in widths}

    def blocks(self, payload: Payload, dtype: DataType, bits: int) -> Iterator[np.ndarray]:
        """Yield a weight's elements after rounding to codes of this many bits."""
        whole = payload.source.blocks(self.tensors, dtype)
        if bits == WHOLE:
            yield from whole
            return
        if (payload.name, bits) not in self.palettes:
            self.errors(payload, (bits,))
        palette = self.palettes[payload.name, bits]
        rounded = palette[code_table(palette)]
        for block in whole:
            yield rounded[block.view("u2")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """The weights of a program that is not written, read from the checkpoint on demand.

    The weights named in `bits` are rounded.
    """

    payloads: Mapping[int, Payload]
    rounding: Rounding
    bits: Mapping[str, int]

    def read(self, blob: Blob, dtype: DataType) -> memoryview:
        """Return the bytes of the record at this offset."""
        payload = self.payloads[blob.offset]
        blocks = self.rounding.blocks(payload, dtype, self.bits.get(payload.name, WHOLE))
        return np.concatenate(list(blocks)).data.cast("B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The program to measure, and a copy with a batch `times` as large."""

    built: DrawnProgram
    wide: DrawnProgram
    times: int
    rounding: Rounding
    feeds: Feeds

    @property
    def layers(self) -> tuple[Payload, ...]:
        """The weights that can be compressed."""
        return tuple(compressible(self.built))

    def scene(self) -> Scene:
        """Return the program and its wide copy, ready to run variants."""
        return Scene(
            program=self._executable(self.built, {}),
            wide=self._executable(self.wide, {}),
            times=self.times,
        )

    def outputs(self, bits: Mapping[str, int]) -> torch.Tensor:
        """Compute all outputs of the program with these layers' weights rounded."""
        return flat(self._executable(self.built, bits).run(self.feeds))

    def _executable(self, built: DrawnProgram, bits: Mapping[str, int]) -> Executable:
        places = {payload.offset: payload for payload in built.payloads}
        return Executable(
            function=built.model.program.main,
            storage=Unwritten(payloads=places, rounding=self.rounding, bits=bits),
            label=built.component,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRequest:
    """A component to measure, by the paths of its config.json and its safetensors file.

    `bits` is the wanted average width of a weight.
    """

    component: str
    config: str
    weights: str
    bits: float
    options: ProgramOptions = field(default_factory=ProgramOptions)


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Allot bits to each layer of the program of a `SensitivityRequest`.

    Returns `layers` (name to bits) and their `average`. `effects` maps each layer to the mean
    squared change of the output, relative to its variance, if that layer alone has 4 bits, and
    `elements` to its number of weights. There is also the PSNR in dB, against the uncompressed
    program, of the mixture (`psnr`) and of each uniform width (`uniform`).
    """
    asked = from_plain(SensitivityRequest, request)
    config = read_config(Path(asked.config))
    with open_known(Path(asked.weights), config) as tensors:
        subject = prepare(asked.component, config, asked.options, tensors)
        emit(Event(kind="step", text=f"measure the layers of {asked.component}"))
        steps = (*palette_bits(subject.built.model.specification_version), WHOLE)
        plain, layers = measure(subject, steps, emit)
        bits = allot(layers, asked.bits, steps)
        emit(Event(kind="step", text="compare the mixture with uniform bits"))
        uniform = {width: {layer.name: width for layer in layers} for width in _COMPARED}
        return {
            "layers": bits,
            "average": average_bits(layers, bits),
            "effects": {layer.name: layer.effect for layer in layers},
            "elements": {layer.name: layer.elements for layer in layers},
            "psnr": psnr(plain, subject.outputs(bits)),
            "uniform": {
                width: psnr(plain, subject.outputs(all_of_it))
                for width, all_of_it in uniform.items()
            },
        }


def prepare(
    component: str, config: Mapping[str, object], options: ProgramOptions, tensors: DescribedTensors
) -> Subject:
    """Build the program to measure, for a small square image if it has an image size."""
    if size := small_size(config, options):
        options = replace(options, height=size[0], width=size[0])
    built = build_program(component, config, tensors, options)
    shapes = built.model.program.main.input_shapes
    times = TOGETHER if "sample" in shapes else 1
    wide = replace(options, batch=options.batch * times)
    return Subject(
        built=built,
        wide=build_program(component, config, tensors, wide),
        times=times,
        rounding=Rounding(tensors=tensors),
        feeds=reference(component).feeds(config, shapes)[0],
    )


def measure(subject: Subject, steps: Sequence[int], emit: Emit) -> tuple[torch.Tensor, list[Layer]]:
    """Measure all compressible layers; return the unchanged program's outputs, and the layers.

    `steps` are the possible widths in bits.
    """
    layers, done = subject.layers, itertools.count(1)
    widths = sorted({PROBED, *steps} - {_ASSUMED, WHOLE})
    errors: dict[str, dict[int, float]] = {}

    def probe(payload: Payload) -> torch.Tensor:
        errors[payload.name] = subject.rounding.errors(payload, widths)
        blocks = subject.rounding.blocks(payload, DataType.FLOAT16, PROBED)
        numbers = torch.cat([torch.from_numpy(block).float() for block in blocks])
        subject.rounding.tensors.release()
        emit(_progress(next(done), len(layers)))
        return numbers.reshape([size or 1 for size in payload.type.shape])

    changes: dict[str, Callable[[], torch.Tensor]] = {
        payload.name: functools.partial(probe, payload) for payload in layers
    }
    outputs, variants = subject.scene().run(subject.feeds, changes)
    plain = flat(outputs)
    return plain, [
        Layer(
            name=payload.name,
            elements=math.prod(size or 1 for size in payload.type.shape),
            effect=float((flat(variants[payload.name]) - plain).square().mean() / plain.var()),
            errors={
                **errors[payload.name],
                _ASSUMED: errors[payload.name][_ASSUMED - 2] / 16,
                WHOLE: 0.0,
            },
        )
        for payload in layers
    ]


def _progress(done: int, total: int) -> Event:
    return Event(kind="progress", text="layers", done=done, total=total, unit="layers")


def flat(outputs: Outputs) -> torch.Tensor:
    """Join all outputs into one vector, float64."""
    return torch.cat([output.double().flatten() for output in outputs.values()])


def psnr(wanted: torch.Tensor, found: torch.Tensor) -> float:
    """Compute the PSNR in dB, as defined by `convert.parity.figures.distance`."""
    rms = (wanted - found).square().mean().sqrt()
    return round(float(20 * torch.log10((wanted.max() - wanted.min()) / rms)), 2)

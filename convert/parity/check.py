"""Checks a written package against the module of the pinned library that it was made from.

There are four checks. Every weight equals the checkpoint's (`convert.proof.audit`). Every other
number is what the config specifies (`convert.proof.settings`). Run in float32, the graph computes
what the module computes. Run as on a half-precision device, it still does, up to the error of half
precision.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import torch

from sdcoreml.convert.bundle.contract import UNREAD
from sdcoreml.convert.certificates.check import Digests, digests_of
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.models.known import open_known
from sdcoreml.convert.parity.decompressed import Decompressed
from sdcoreml.convert.parity.drawn import find_strange
from sdcoreml.convert.parity.figures import (
    FLOORS,
    RECOGNISABLE,
    UNREAD_FLOOR,
    Outputs,
    compare,
    relaxed_floor,
)
from sdcoreml.convert.parity.miniature import fill_weights, miniature
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.parity.recording import record_answers
from sdcoreml.convert.parity.sibling import Kinship, find_sibling, small_drawing
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.proof.audit import PREFIXES, Audit, audit, prefixes_left_out
from sdcoreml.convert.proof.settings import settings_faults
from sdcoreml.convert.references.components import Reference, reference
from sdcoreml.convert.references.inputs import Feeds
from sdcoreml.convert.references.modules import open_module
from sdcoreml.convert.spec.model import DataType, Function, TensorType
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.codec import read_field
from sdcoreml.ground.events import Emit, Event, silent

Advance: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What to run, and the options of the program.

    `runs` limits the sets of inputs, and `modes` are the precisions to run in. With `small`, the
    program is run for a small image if `convert.parity.miniature` allows it. `program` holds the
    options that it was built with; those in `convert.certificates.architecture.JUDGED` also change
    the expected outputs. With `lenient`, a program that misses a floor (the lowest accepted PSNR)
    is compared with a lower one, which depends on the module's own float32 precision
    (`convert.parity.figures.relaxed_floor`). A program that differs only in shapes from one in
    `certificates` is run for a small image, too. With `draws`, its graph is compared with the one
    drawn for its options. `audit` is that of its weights, if they were audited already.
    """

    modes: tuple[Mode, ...] = (Mode.FP32, Mode.FP16)
    runs: int | None = None
    small: bool = False
    draws: bool = False
    floors: Mapping[Mode, float] = field(default_factory=lambda: FLOORS)
    program: ProgramOptions = field(default_factory=ProgramOptions)
    lenient: bool = False
    certificates: tuple[Certificate, ...] = ()
    audit: Audit | None = None


FULL = CheckOptions()
QUICK = CheckOptions(modes=(Mode.FP32,), runs=1, small=True)
"""One run in one precision, for a small image. It uses every weight and every operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The component that a program was made from: its config.json and its safetensors file."""

    component: str
    reference: Reference
    config: Mapping[str, object]
    weights: Path


def check_component(
    component: str,
    package: Packages,
    config: Mapping[str, object],
    weights: Path,
    options: CheckOptions = FULL,
    emit: Emit = silent,
) -> Parity:
    """Check one package, or two halves. The result says whether it passed.

    The module streams its weights, so memory never exceeds that of a single run.

    Args:
        component: its name in `convert.references.components.REFERENCES`.
        package: the `.mlpackage` on disk, or its two halves.
        config: the component's config.json.
        weights: its safetensors file.
        options: how much to run.
        emit: receives the progress, counted in runs.

    Raises:
        ParityError: the program violates its declaration, or a result is not finite.
        BadInputError: package or weights cannot be read, or do not match the config.
    """
    original = Original(
        component=component, reference=reference(component), config=config, weights=weights
    )
    with open_whole(package) as program:
        return check_program(program, original, options, emit)


def check_program(
    program: OpenProgram, original: Original, options: CheckOptions = FULL, emit: Emit = silent
) -> Parity:
    """Check a program that is already open; see `check_component`."""
    component = original.component
    subject = (component, original.config, options.program)
    accounted = options.audit or _audit(program, original, options)
    digests = digests_of(program, component, accounted, original.config, options.program)
    kinship = _find_sibling(digests, original, options)
    small = _small(program, original, options, accounted, kinship)
    running = small or program
    shapes = running.function.input_shapes
    feeds = original.reference.feeds(original.config, shapes)[: options.runs]
    if kinship:
        feeds = feeds[: kinship.runs_for(options.program)]
    replaced = Decompressed(program, accounted)
    passes = 1 + bool(replaced) + len(options.modes)
    advance = _counter(emit, program.path.name, len(feeds) * passes)
    module = _Module(
        original=original,
        rounding=weight_rounding(program.function),
        options=options.program,
        names=program.function.block.outputs,
        feeds=feeds,
    )
    expected = module.answers(replaced, advance)
    unread = UNREAD.get(component, ())
    answers = {
        mode: _actual(Executable.of(running), mode, feeds, advance) for mode in options.modes
    }
    figures = [
        replace(figure, floor=UNREAD_FLOOR) if figure.output in unread else figure
        for mode, found in answers.items()
        for figure in compare(expected, found, mode, options.floors[mode])
    ]
    own = None
    if options.lenient and not all(item.passed for item in figures):
        exact = module.answers(replaced, precision=torch.float64)
        own = own_precision(exact, expected, unread)
        figures = [replace(it, floor=relaxed_floor(it.mode, it.floor, own)) for it in figures]
    return Parity(
        component=component,
        package=str(program.path),
        figures=tuple(figures),
        audit=accounted,
        runs=len(feeds),
        key=digests.key,
        fidelity=compare(module.answers({}, advance), expected, Mode.FP32, RECOGNISABLE)
        if replaced
        else (),
        sample=picture_size(shapes) if small else "",
        sibling=kinship.sibling if kinship else None,
        strange=find_strange(digests.graph, *subject) if options.draws else "",
        own=own,
        settings=settings_faults(program.function, program.storage, *subject),
        normed=smallest_norm_group(original.config, program.function.input_shapes),
        answers=None if small else record_answers(feeds, answers.get(Mode.FP32)),
    )


def _audit(program: OpenProgram, original: Original, options: CheckOptions) -> Audit:
    prefixes = PREFIXES.get(original.component, ())
    left_out = prefixes_left_out(original.config, options.program)
    with open_known(original.weights, original.config) as tensors:
        return audit(program.function, program.storage, tensors, prefixes, left_out)


def smallest_norm_group(config: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Count the elements per group in a UNet's deepest group norm; 0 for any other component."""
    channels = read_field(config, "block_out_channels", tuple[int, ...], ())
    if not channels or "sample" not in shapes:
        return 0
    height, width = (extent >> len(channels) - 1 for extent in shapes["sample"][-2:])
    return channels[-1] // read_field(config, "norm_num_groups", int, 32) * height * width


def own_precision(
    exact: Iterable[Outputs], rounded: Iterable[Outputs], unread: Collection[str] = ()
) -> float:
    """Compute the PSNR in dB of a module's float32 results against its float64 results.

    Outputs in `unread` do not count: their low precision would relax the floor of the others.
    """
    figures = compare(exact, rounded, Mode.FP32, 0)
    return min(item.psnr for item in figures if item.output not in unread)


def _find_sibling(digests: Digests, original: Original, options: CheckOptions) -> Kinship | None:
    """Return the certified graph that this one differs from only in shapes, if there is one."""
    if not options.certificates or not digests.graph:
        return None
    subject = (original.component, original.config, options.program)
    return find_sibling(digests.graph, *subject, options.certificates)


def _small(
    program: OpenProgram,
    original: Original,
    options: CheckOptions,
    accounted: Audit,
    kinship: Kinship | None,
) -> OpenProgram | None:
    """Return the program for a small image, if that proves enough and is possible."""
    if kinship:
        small = small_drawing(kinship, original.component, original.config, options.program)
        return fill_weights(small, program, accounted.placed) if small else None
    if not options.small or not accounted.passed:
        return None
    return miniature(program, original.component, accounted, original.config, options.program)


def picture_size(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return width and height of the image in pixels, from the shape of a latent or image input."""
    name = next(name for name in ("sample", "z", "x") if name in shapes)
    height, width = shapes[name][-2:]
    pixels = 1 if name == "x" else 8
    return f"{pixels * width}x{pixels * height}"


def weight_rounding(function: Function) -> torch.dtype:
    """Return the type that the weights were rounded to: that of the program's largest constant."""
    sizes = {
        (output.type.count, output.type.dtype)
        for operation in function.block.operations
        if operation.is_constant
        for output in operation.outputs
        if isinstance(output.type, TensorType)
    }
    floats = [item for item in sizes if item[1] in {DataType.FLOAT16, DataType.FLOAT32}]
    _, kind = max(floats, default=(0, DataType.FLOAT32))
    return torch.float16 if kind is DataType.FLOAT16 else torch.float32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Module:
    """The pinned module to compare with, and the inputs and options of the check."""

    original: Original
    rounding: torch.dtype
    options: ProgramOptions
    names: tuple[str, ...]
    feeds: Iterable[Feeds]

    def answers(
        self,
        replaced: Mapping[str, torch.Tensor],
        advance: Advance = lambda: None,
        precision: torch.dtype = torch.float32,
    ) -> list[Outputs]:
        """Compute the module's outputs for each set of inputs. The module is freed afterwards."""
        original = self.original
        module = open_module(
            lambda: original.reference.build(original.config),
            original.weights,
            self.rounding,
            replaced,
            precision,
        )
        outputs: list[Outputs] = []
        with torch.inference_mode(), _default_type(precision):
            for feed in self.feeds:
                typed = {name: tensor.to(precision) for name, tensor in feed.items()}
                outputs.append(
                    original.reference.compute_expected(module, typed, self.options, self.names)
                )
                advance()
        return outputs


@contextmanager
def _default_type(precision: torch.dtype) -> Iterator[None]:
    """Set the type of tensors that a module creates itself.

    The pinned CLIP creates its mask in the default type and fills it with the lowest number of the
    type it computes in. From float64, that number does not fit a float32 mask.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(precision)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _actual(
    program: Executable, mode: Mode, feeds: Iterable[Feeds], advance: Advance
) -> list[Outputs]:
    """Compute the program's outputs for each set of inputs."""
    outputs: list[Outputs] = []
    for feed in feeds:
        outputs.append(program.run(feed, mode))
        advance()
    return outputs


def _counter(emit: Emit, text: str, total: int) -> Advance:
    """Return a function to call after each run, which reports the progress."""
    done = itertools.count(1)

    def advance() -> None:
        emit(Event(kind="progress", text=text, done=next(done), total=total, unit="runs"))

    return advance

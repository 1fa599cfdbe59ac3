"""Loads every program of a finished folder through Core ML, each in a process of its own.

Nothing is written into the folder. A program that Core ML refuses, that crashes or hangs is a
fault of that program alone: the others are still measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE
from sdcoreml.convert.jobs.answers import read_answers
from sdcoreml.convert.jobs.intact import as_paths
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.loading.record import (
    COREML,
    LoadedProgram,
    Loading,
    LoadReport,
    Machine,
    Placement,
    Source,
    Units,
)
from sdcoreml.convert.programs.options import Attention
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.advice import command
from sdcoreml.ground.aside import scratch_folder
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.errors import (
    BadInputError,
    Fault,
    ParityError,
    SdcoremlError,
    UnsupportedError,
    WorkerError,
)
from sdcoreml.ground.events import Emit, silent

_REPORT = "report it, with the file that --share writes"

_PLANS = 8
"""The first version of coremltools that can say where operations run."""

_PLAIN = frozenset({"vae_decoder", "vae_encoder"})
"""Programs that Apple's package never gives to the Neural Engine for SDXL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A program to load: its compiled model, or two halves, and what to compare it with.

    For ComfyUI it is the package, which the nodes let Core ML compile as they load it. `given` is
    what a request to run it has more than one to load it: the inputs and the answers. `reason` says
    why there are none.
    """

    name: str
    component: str
    compiled: tuple[Path, ...]
    units: Units
    given: Mapping[str, object] = field(default_factory=dict)
    source: Source = Source.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How to load a folder.

    `machine` is this Mac. `units` are what programs may use, `None` for what apps choose for each.
    `reason` says why nothing can be compared, "" if it can: else programs are only loaded.
    """

    machine: Machine
    units: Units | None = None
    reason: str = ""


def load_folder(
    bundle: Path, manifest: Manifest, options: LoadOptions, runner: Runner, emit: Emit = silent
) -> LoadReport:
    """Load, run and compare every program of a folder that `verify` found sound, as apps load it.

    Args:
        bundle: the finished folder; it is only read.
        manifest: its manifest.
        options: the Mac, and how to load.
        runner: runs tasks in the built environment.
        emit: called with an event for each step.

    Raises:
        BrokenError: coremltools cannot be used in the environment.
    """
    form = PACKAGE if manifest.options.is_for_comfyui else COMPILED
    subjects = [
        Subject(
            name=name,
            component=entry.component,
            compiled=as_paths(entry.find_packages(bundle.resolve(), name, form)),
            units=options.units or units_of_apps(manifest, entry.component),
        )
        for name, entry in manifest.programs.items()
    ]
    with scratch_folder(Path(tempfile.gettempdir()) / "coreml") as scratch:
        if not options.reason:
            recorded = read_answers(bundle, manifest)
            subjects = [
                answered
                for some in _groups(subjects, recorded)
                for answered in _with_answers(some, recorded, scratch, runner, emit)
            ]
        programs = {one.name: _load(one, bundle, runner, emit) for one in subjects}
    return LoadReport(machine=options.machine, programs=programs, reason=options.reason)


def units_of_apps(manifest: Manifest, component: str) -> Units:
    """Return the units that Mochi's "Auto" and Apple's package use for this program.

    They are those that `convert.bundle.comfyui.UNITS` says to choose in ComfyUI's loader.

    Mochi: MochiDiffusion, Model/SDModelAttentionType.swift. Apple's package forces SDXL's VAEs to
    CPU and GPU: swift/StableDiffusion/pipeline/StableDiffusionXL+Resources.swift.
    """
    is_xl_vae = manifest.is_xl and component in _PLAIN
    if manifest.options.attention is Attention.ORIGINAL or is_xl_vae:
        return Units.GPU
    return Units.NE


def _groups(
    subjects: Sequence[Subject], recorded: Mapping[str, Answers]
) -> Iterator[Sequence[Subject]]:
    """Group the programs by the child that answers for them.

    Recorded ones share a child, which only makes their inputs. Every other has its own: one that
    is too large for this machine's memory costs no other its answers.
    """
    if known := [one for one in subjects if one.name in recorded]:
        yield known
    yield from ([one] for one in subjects if one.name not in recorded)


def _with_answers(
    subjects: Sequence[Subject],
    recorded: Mapping[str, Answers],
    scratch: Path,
    runner: Runner,
    emit: Emit,
) -> list[Subject]:
    """Add to each program its inputs, written to `scratch`, and its answers, or the reason why not.

    On a small Mac a large program cannot be run by the interpreter: Core ML still loads it.
    """
    files = [scratch / f"{one.name}.npz" for one in subjects]
    questions = [
        {
            "component": one.component,
            "compiled": [str(path) for path in one.compiled],
            "inputs": str(file),
            **({"answers": to_plain(recorded[one.name])} if one.name in recorded else {}),
        }
        for one, file in zip(subjects, files, strict=True)
    ]
    try:
        given = runner.run("answers", {"programs": questions}, emit).value
    except (WorkerError, BadInputError) as error:
        return [replace(one, reason=f"no answers: {error.fault.what}") for one in subjects]
    answered = from_plain(_AnswersGiven, {"programs": given}, "answers").programs
    return [
        replace(
            one,
            given={"inputs": str(file), "answers": to_plain(answer.answers)},
            source=Source.COMPUTED if answer.computed else Source.RECORDED,
        )
        for one, file, answer in zip(subjects, files, answered, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    answers: Answers
    computed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _AnswersGiven:
    programs: tuple[_Answered, ...]


def _load(one: Subject, bundle: Path, runner: Runner, emit: Emit) -> LoadedProgram:
    """Load and run one program; a fault of the program is part of the result."""
    place = {"compiled": [str(path) for path in one.compiled], "units": COREML[one.units]}
    found = LoadedProgram(
        component=one.component, units=one.units, source=one.source, reason=one.reason
    )
    try:
        outcome = runner.run("load", {**place, **one.given}, emit)
        loading = from_plain(Loading, outcome.value, "loading")
    except (WorkerError, UnsupportedError, ParityError) as error:
        fault = error.fault.at(bundle / one.compiled[0].name)
        remedy = fault.remedy or _REPORT
        if isinstance(error, WorkerError) and one.units is not Units.CPU:
            remedy = f"{remedy}; {_try_cpu(bundle)}"
        return replace(found, fault=replace(fault, remedy=remedy))
    found = replace(found, loading=loading, peak_memory=outcome.peak_memory)
    if misses := found.misses():
        fault = Fault(
            where=bundle / one.compiled[-1].name,
            what=f"Core ML computes something else: {'; '.join(misses)}",
            remedy=_REPORT if one.units is Units.CPU else _try_cpu(bundle),
            error=ParityError,
        )
        return replace(found, fault=fault)
    if int(loading.coremltools.partition(".")[0]) < _PLANS:
        return found
    return replace(found, placement=_find_placement(place, runner, emit))


def _try_cpu(bundle: Path) -> str:
    again = command("verify", bundle, "--with", "coreml", "--units", "cpu")
    return f"{again} says whether the unit is to blame"


def _find_placement(place: Mapping[str, object], runner: Runner, emit: Emit) -> Placement | None:
    try:
        return from_plain(Placement, runner.run("placement", place, emit).value, "placement")
    except SdcoremlError:  # an older macOS cannot say it
        return None

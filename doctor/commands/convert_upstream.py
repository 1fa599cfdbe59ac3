"""`sdcoreml convert` with Apple's converter instead of ours, or with both to compare them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.bundle.ports import output_shapes
from sdcoreml.convert.jobs.evidence import read_by_apps
from sdcoreml.convert.jobs.manifest import ProgramEntry, read_manifest
from sdcoreml.convert.jobs.plan import Job, default_folder
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.upstream import UpstreamConverter, require_possible
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.convert.spec.model import Feature
from sdcoreml.convert.storage.package import open_program
from sdcoreml.convert.worker import Outcome, Runner
from sdcoreml.doctor.commands.convert_values import OURS, UPSTREAM
from sdcoreml.envs.upstream.store import obtain
from sdcoreml.ground.codec import from_plain, read_field, to_plain
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.toolchain import Toolchain

CAVEAT = (
    "by Apple's converter: an hour and up to 10.4 GB of memory for SD 1.5, whatever is said above"
)
"""A note for plans, whose figures are those of our own converter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One program as made by one converter.

    `decibels` is the PSNR of the worst output that apps read, by precision; `operations` counts
    operations except constants; `cpu` is in seconds, `memory` the process's peak in bytes.
    """

    decibels: Mapping[str, float]
    operations: int
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramComparison:
    """A program made by both converters, and every difference in its inputs and outputs."""

    program: str
    sdcoreml: Made
    upstream: Made
    interface: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderComparison:
    """The two folders that the converters made from one job, and their programs."""

    ours: Path
    theirs: Path
    commit: str
    programs: tuple[ProgramComparison, ...]

    def as_json(self) -> dict[str, object]:
        """Convert the comparison to plain values for JSON."""
        return {**to_plain(self), "ours": str(self.ours), "theirs": str(self.theirs)}


@dataclass(frozen=True, slots=True)
class MeasuringRunner:
    """A runner that also records each program's CPU time and memory."""

    inner: Runner
    costs: dict[str, tuple[float, int]] = field(default_factory=dict)

    def run(self, task: str, request: Mapping[str, object], emit: Emit = silent) -> Outcome:
        """Run the task; record the CPU seconds and memory that it reports for each program."""
        outcome = self.inner.run(task, request, emit)
        if task in ("build", "upstream"):
            for made in from_plain(tuple[dict[str, object], ...], outcome.value):
                seconds = read_field(made, "cpu", float)
                self.costs[read_field(made, "component", str)] = (seconds, outcome.peak_memory)
        return outcome


def wants_upstream(args: argparse.Namespace) -> bool:
    """Return True if the arguments request the upstream converter, alone or for comparison."""
    return bool(args.compare_upstream) or args.converter == UPSTREAM


def adapt(args: argparse.Namespace, jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Adapt the jobs to the chosen converter, refusing what it cannot do.

    By default the folder of an upstream conversion has a different name, so that it does not
    replace one of ours.

    Raises:
        UsageError: options that contradict each other.
        UnsupportedError: the upstream converter cannot do it.
    """
    if not wants_upstream(args):
        return tuple(jobs)
    others = (args.converter == UPSTREAM, "components" in args, args.packages == "drop")
    if args.compare_upstream and any(others):
        raise UsageError(
            "--compare-upstream makes whole folders with both converters, packages and all",
            remedy="leave --converter, --components and --packages out",
        )
    for job in jobs:
        require_possible(job)
    if args.compare_upstream or args.output:
        return tuple(jobs)
    return tuple(map(beside, jobs))


def beside(job: Job, *, named: bool = False) -> Job:
    """Return the job with `upstream` in its folder's name; `named` if the user chose the name."""
    if named:
        return replace(job, output=job.output.with_name(f"{job.output.name}-{UPSTREAM}"))
    name = f"{job.name or job.model.path.resolve().name}-{UPSTREAM}"
    return replace(job, name=name, output=default_folder(job.model, job.options, name))


def convert_upstream(
    args: argparse.Namespace,
    jobs: Sequence[Job],
    workshop: Workshop,
    toolchain: Toolchain,
    emit: Emit,
) -> tuple[tuple[Path, ...], tuple[FolderComparison, ...]]:
    """Run the jobs with the upstream converter, or with both; return folders and comparisons.

    Raises:
        SdcoremlError: the tested commit cannot be obtained, or a job failed.
    """
    asked = toolchain.upstream
    kept = obtain(asked, emit=emit)
    converter = UpstreamConverter(
        checkout=kept.path, repository=asked.repository, commit=kept.commit
    )
    if not args.compare_upstream:
        return convert_models(jobs, replace(workshop, upstream=converter), emit), ()
    named = args.output is not None
    comparisons = compare(jobs, workshop, converter, emit, named=named)
    return tuple(path for one in comparisons for path in (one.ours, one.theirs)), comparisons


def compare(
    jobs: Sequence[Job],
    workshop: Workshop,
    upstream: UpstreamConverter,
    emit: Emit,
    *,
    named: bool,
) -> tuple[FolderComparison, ...]:
    """Convert with both converters and compare; run every program, even certified ones.

    `named` is true if the user chose the output's name.
    """
    found = []
    for job in jobs:
        other = beside(job, named=named)
        policy = replace(workshop.policy, certificates={})
        runners = MeasuringRunner(workshop.runner), MeasuringRunner(workshop.runner)
        mine = replace(workshop, runner=runners[0], policy=policy)
        convert_models([job], mine, emit)
        convert_models([other], replace(mine, runner=runners[1], upstream=upstream), emit)
        found.append(
            FolderComparison(
                ours=job.output,
                theirs=other.output,
                commit=upstream.commit,
                programs=tuple(_compare_programs(job.output, other.output, *runners)),
            )
        )
    return tuple(found)


def _compare_programs(
    ours: Path, theirs: Path, mine: MeasuringRunner, upstream: MeasuringRunner
) -> Iterator[ProgramComparison]:
    entries, others = read_manifest(ours).programs, read_manifest(theirs).programs
    for name, entry in entries.items():
        yield ProgramComparison(
            program=name,
            sdcoreml=_measure_made(ours, name, entry, mine),
            upstream=_measure_made(theirs, name, others[name], upstream),
            interface=tuple(
                interface_differences(_ports(ours, name, entry), _ports(theirs, name, others[name]))
            ),
        )


def _measure_made(folder: Path, name: str, entry: ProgramEntry, runner: MeasuringRunner) -> Made:
    cpu, memory = runner.costs[entry.component]
    operations = 0
    for package in _packages(folder, name, entry):
        with open_program(package) as program:
            block = program.function.block
            operations += sum(not item.is_constant for item in block.operations)
    return Made(
        decibels=_decibels(entry.checked), operations=operations, cpu=round(cpu, 1), memory=memory
    )


def _packages(folder: Path, name: str, entry: ProgramEntry) -> tuple[Path, ...]:
    written = entry.find_packages(folder, name)
    return (written,) if isinstance(written, Path) else written


def _decibels(proof: ProgramProof) -> dict[str, float]:
    worst: dict[str, float] = {}
    for figure in read_by_apps(proof):
        worst[figure.mode] = min(figure.psnr, worst.get(figure.mode, figure.psnr))
    return worst


def _ports(folder: Path, name: str, entry: ProgramEntry) -> dict[str, str]:
    """Map a program's inputs and outputs, in order: `input sample` to `float16 [2, 4, 64, 64]`."""
    ports: dict[str, str] = {}
    for package in _packages(folder, name, entry):
        with open_program(package) as program:
            shapes, said = output_shapes(program.model), program.model.description
            ports |= {f"input {one.name}": _show_type(one, one.shape) for one in said.inputs}
            ports |= {
                f"output {one.name}": _show_type(one, shapes.get(one.name, one.shape))
                for one in said.outputs
            }
    return ports


def _show_type(feature: Feature, shape: tuple[int, ...]) -> str:
    return f"{feature.dtype.name.lower() if feature.dtype else feature.kind} {list(shape)}"


def interface_differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[str]:
    """Yield differences between two programs' inputs and outputs: names, types, shapes, order."""
    for port in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(port, "none"), theirs.get(port, "none")
        if one != other:
            yield f"{port}: {one} by {OURS}, {other} by {UPSTREAM}"
    here = [port for port in ours if port in theirs]
    there = [port for port in theirs if port in ours]
    if here != there:
        yield f"order: {', '.join(here)} by {OURS}; {', '.join(there)} by {UPSTREAM}"


def table(comparison: FolderComparison) -> Iterator[str]:
    """Yield the comparison as a table of text."""
    yield f"{comparison.theirs}: by apple/ml-stable-diffusion at {comparison.commit[:12]}"
    yield (
        f"  {'program':<16} {'converter':<9} {'dB fp32':>8} {'dB fp16':>8} {'operations':>10}"
        f" {'CPU s':>8} {'memory':>8}"
    )
    for one in comparison.programs:
        for name, made in ((OURS, one.sdcoreml), (UPSTREAM, one.upstream)):
            figures = (made.decibels.get(mode) for mode in ("fp32", "fp16"))
            decibels = " ".join(f"{'-' if it is None else f'{it:.1f}':>8}" for it in figures)
            program = one.program if name == OURS else ""
            yield (
                f"  {program:<16} {name:<9} {decibels} {made.operations:>10,} {made.cpu:>8.1f}"
                f" {amount(made.memory):>8}"
            )
    different = [f"{one.program} {line}" for one in comparison.programs for line in one.interface]
    yield from (f"  interface: {line}" for line in different or ["the same in every program"])

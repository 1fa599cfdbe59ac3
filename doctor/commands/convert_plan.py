"""`sdcoreml convert --plan`: the result, its sources, and the resources that it would take."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.bundle.judgement import Judgement
from sdcoreml.convert.compression.recipe import parse_recipe
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.reading import HALVES
from sdcoreml.convert.models.ingredients import Ingredients
from sdcoreml.convert.programs.options import Precision
from sdcoreml.doctor.commands.convert_preflight import goal_of
from sdcoreml.doctor.core.check import CheckFamily, Status
from sdcoreml.doctor.core.engine import Report
from sdcoreml.doctor.core.estimate import estimate_disk, estimate_memory, estimate_time
from sdcoreml.doctor.core.facts import ToolchainFacts
from sdcoreml.doctor.gather.model import describe
from sdcoreml.ground.quantity import amount, count_programs


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProgram:
    """A program to make: its package, its component, and its approximate size in bytes."""

    name: str
    source: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFolder:
    """A folder to make, with its programs."""

    folder: str
    programs: tuple[PlannedProgram, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFinding:
    """One finding about this machine: its disk, memory or Xcode."""

    id: str
    status: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPlan:
    """A plan: the folders to make, the files to read (path to bytes), and the resources needed.

    `disk` and `memory` are in bytes; `minutes` is the longest that the work takes on this machine's
    cores, `None` if not measured. `can` says whether this machine has enough of each, `machine`
    what it has.
    """

    sources: Mapping[str, int]
    folders: tuple[PlannedFolder, ...]
    disk: int
    memory: int
    minutes: float | None
    can: str
    machine: tuple[MachineFinding, ...]


MACHINE = frozenset({CheckFamily.DISK, CheckFamily.MEMORY, CheckFamily.XCODE})
"""The families of checks that a plan runs: quick ones about the machine."""

MACHINE_SUMMARIES = frozenset({"DSK001", "MEM002", "XCO001"})
"""The checks whose result is a figure worth showing even if all is well."""


def plan_conversion(
    ingredients: Ingredients,
    judgement: Judgement,
    jobs: Sequence[Job],
    measured: ToolchainFacts,
    machine: Report,
) -> ConversionPlan:
    """Make the plan of jobs of one model.

    `measured` has the toolchain's measured rates, `machine` is the doctor's report about this
    machine.
    """
    model, goal = describe(judgement), goal_of(jobs)
    minutes = estimate_time(model, goal, measured, os.cpu_count() or 1) / 60
    named = dict.fromkeys((ingredients.model, *ingredients.files()))
    return ConversionPlan(
        sources={str(path): _size(path, judgement) for path in named},
        folders=tuple(_folder(job, judgement) for job in jobs),
        disk=estimate_disk(model, measured),
        memory=estimate_memory(model, goal, measured),
        minutes=round(minutes, 1) if minutes else None,
        can=machine.verdicts[0].answer,
        machine=tuple(_findings(machine)),
    )


def _findings(machine: Report) -> Iterator[MachineFinding]:
    for result in machine.results:
        for finding in result.findings:
            if finding.status is Status.OK and result.id not in MACHINE_SUMMARIES:
                continue
            yield MachineFinding(
                id=result.id,
                status=finding.status.value,
                what=finding.what,
                remedy=finding.fix.title if finding.fix else "",
            )


def as_data(plan: ConversionPlan) -> dict[str, object]:
    """Convert the plan to plain values for JSON."""
    data = asdict(plan)
    needs = {name: data.pop(name) for name in ("disk", "memory", "minutes")}
    machine = {"can": data.pop("can"), "findings": data.pop("machine")}
    return {"from": data.pop("sources"), **data, "needs": needs, "machine": machine}


def as_text(plan: ConversionPlan) -> Iterator[str]:
    """Yield the plan as lines of text."""
    yield "would be made from"
    yield from (f"  {path}  {amount(size)}" for path, size in plan.sources.items())
    for made in plan.folders:
        yield f"{made.folder}: {count_programs(len(made.programs))}"
        width = max((len(program.name) for program in made.programs), default=0)
        for program in made.programs:
            size = f"about {amount(program.bytes)}" if program.bytes else "of unknown size"
            yield f"  {program.name:<{width}}  of {program.source}, {size}"
    yield f"takes about {amount(plan.disk)} of disk, {amount(plan.memory)} of memory"
    if plan.minutes is not None:
        yield f"and at most {max(plan.minutes, 0.1):.1f} minutes, once the environment is there"
    yield "this machine cannot do it" if plan.can == "no" else "this machine has"
    for found in plan.machine:
        is_fine = found.status in (Status.OK.value, Status.INFO.value)
        mark = "" if is_fine else f"{found.status}: "
        remedy = f"; {found.remedy}" if found.remedy and not is_fine else ""
        yield f"  {mark}{found.what} ({found.id}){remedy}"


def _size(path: Path, judgement: Judgement) -> int:
    return path.stat().st_size if path.is_file() else judgement.identity.nbytes


def _folder(job: Job, judgement: Judgement) -> PlannedFolder:
    programs = tuple(
        PlannedProgram(
            name=part.stem,
            source=part.source,
            bytes=bytes_of(job, part, judgement),
        )
        for part in job.parts
    )
    return PlannedFolder(folder=str(job.output), programs=programs)


def bytes_of(job: Job, part: ProgramSpec, judgement: Judgement | None = None) -> int:
    """Return a program's approximate size in bytes; 0 if its component is not in the model.

    Without a judgement, whose model may have to be unpacked yet, the job's own model is looked at.
    """
    starts = HALVES.get(part.program, ("",))
    component = job.model.components.get(part.source)
    checkpoint = component.checkpoint if component else None
    own = checkpoint.tensors if checkpoint else ()
    tensors = judgement.tensors_of(part.source) if judgement else own
    count = sum(math.prod(t.shape) for t in tensors if t.name.startswith(starts))
    bits = 32 if job.options.for_program(part).precision is Precision.FP32 else 16
    if recipe := job.options.recipe_for(part):
        bits = parse_recipe(recipe, part.program).bits
    return count * bits // 8

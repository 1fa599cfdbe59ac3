"""`sdcoreml jobs FILE --plan`: every folder of a job file, and what making them takes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from sdcoreml.convert.jobs.plan import Job
from sdcoreml.doctor.commands.convert_plan import PlannedProgram, bytes_of
from sdcoreml.doctor.commands.convert_preflight import goal_of
from sdcoreml.doctor.commands.jobs_batch import Batch, in_order
from sdcoreml.doctor.core.estimate import estimate_disk, estimate_memory, estimate_time
from sdcoreml.doctor.core.facts import ToolchainFacts
from sdcoreml.ground.advice import spell
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import Fault, SdcoremlError
from sdcoreml.ground.quantity import amount, duration


class State(Enum):
    """What a run would do about a folder."""

    MAKE = "make"
    THERE = "there"
    """Nothing: it is there already, just as it would be made."""
    WAIT = "wait"
    """Make it once the folder that it is for is there."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFolder:
    """A folder: what becomes of it, its programs, and why it is refused or what it waits for.

    The folder of a refused model is unknown (""), unless only this machine has no room for it.
    `place` is the model's table in the job file, `model` the model as it was given there.
    """

    state: State
    place: str
    model: str
    folder: str = ""
    programs: tuple[PlannedProgram, ...] = ()
    because: str = ""
    code: str = ""

    @property
    def nbytes(self) -> int:
        """The approximate size of its programs."""
        return sum(program.bytes for program in self.programs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What making all folders takes at most: bytes of disk and memory, and seconds.

    `seconds` is `None` if the toolchain was not measured. `free` are the bytes that are free on the
    disk of the results (the fuller one, if there are several), `installed` those of memory.
    """

    disk: int
    memory: int
    seconds: float | None
    free: int
    installed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPlan:
    """The plan of a job file: its folders, in the order in which they are made."""

    file: str
    folders: tuple[PlannedFolder, ...]
    needs: Needs

    @property
    def refused(self) -> int:
        """How many models, or folders of them, are refused."""
        return sum(one.state is State.REFUSED for one in self.folders)


Refuse: TypeAlias = Callable[[Batch, Sequence[Job]], SdcoremlError | None]
"""Says why this machine can never have room for some of a batch's folders."""


def plan_jobs(
    file: Path,
    batches: Sequence[Batch],
    measured: ToolchainFacts,
    is_there: Callable[[Batch, Job], bool] = lambda _, __: False,
    refuse: Refuse = lambda _, __: None,
) -> JobsPlan:
    """Plan the batches of a job file.

    `measured` has the toolchain's measured rates; `is_there` tells whether a folder is there
    already, just as it would be made; `refuse` says why there can never be room for folders.
    """
    done = {id(job) for batch in batches for job in batch.jobs if is_there(batch, job)}
    refused = dict(one for batch in batches for one in _refused(batch, done, refuse))
    # One model is refused once, however many folders were to be made of it.
    found = (one for batch in in_order(batches) for one in _folders(batch, done, refused))
    folders = tuple(dict.fromkeys(found))
    others = done | refused.keys()
    left = [
        replace(batch, jobs=tuple(job for job in batch.jobs if id(job) not in others))
        for batch in batches
    ]
    needs = _needs(file, folders, left, measured)
    return JobsPlan(file=os.fspath(file), folders=folders, needs=needs)


def _refused(batch: Batch, done: Collection[int], refuse: Refuse) -> Iterator[tuple[int, Fault]]:
    """Yield the jobs, by id, that there can be no room for: a run makes the others without them."""
    for job in batch.jobs:
        if id(job) not in done and (refusal := refuse(batch, [job])):
            yield id(job), refusal.fault


def _folders(
    batch: Batch, done: Collection[int], refused: Mapping[int, Fault]
) -> Iterator[PlannedFolder]:
    place, model = batch.request.place, batch.request.given
    if batch.fault:
        yield _refusal(batch, batch.fault)
    elif batch.after and not batch.jobs:
        because = f"for {batch.after}, which is made before"
        yield PlannedFolder(state=State.WAIT, place=place, model=model, because=because)
    for job in batch.jobs:
        if fault := refused.get(id(job)):
            yield replace(_refusal(batch, fault), folder=os.fspath(job.output))
            continue
        programs = tuple(
            PlannedProgram(
                name=part.stem,
                source=part.source,
                bytes=bytes_of(job, part, batch.judgement) if batch.judgement else 0,
            )
            for part in job.parts
        )
        output = os.fspath(job.output)
        state = State.THERE if id(job) in done else State.MAKE
        yield PlannedFolder(state=state, place=place, model=model, folder=output, programs=programs)


def _refusal(batch: Batch, fault: Fault) -> PlannedFolder:
    return PlannedFolder(
        state=State.REFUSED,
        place=batch.request.place,
        model=batch.request.given,
        because=spell(f"{fault}"),
        code=fault.code,
    )


def _needs(
    file: Path,
    folders: Sequence[PlannedFolder],
    batches: Sequence[Batch],
    measured: ToolchainFacts,
) -> Needs:
    """Add up the results; merged weights exist only while their batch is made."""
    import psutil

    scratch, memory, seconds, is_measured = 0, 0, 0.0, True
    for batch in batches:
        if batch.described and batch.jobs:
            model, goal = batch.described, goal_of(batch.jobs)
            scratch = max(scratch, estimate_disk(model, measured) - model.size)
            memory = max(memory, estimate_memory(model, goal, measured))
            each = estimate_time(model, goal, measured, os.cpu_count() or 1)
            seconds += each * len(batch.jobs)
            is_measured &= bool(each)
    made = [one for one in folders if one.state is State.MAKE]
    outputs = [Path(one.folder) for one in made] or [file]
    return Needs(
        disk=sum(one.nbytes for one in made) + scratch,
        memory=memory,
        seconds=round(seconds, 1) if is_measured else None,
        free=min(shutil.disk_usage(place).free for place in _places(outputs)),
        installed=psutil.virtual_memory().total,
    )


def _places(outputs: Sequence[Path]) -> set[Path]:
    """Return the existing folders in which outputs will be made."""
    parents = {output.absolute().parent for output in outputs}
    return {next(one for one in (place, *place.parents) if one.is_dir()) for place in parents}


def as_data(plan: JobsPlan) -> dict[str, object]:
    """Convert the plan to plain values for JSON."""
    data: dict[str, object] = to_plain(plan)
    return data


def as_text(plan: JobsPlan) -> Iterator[str]:
    """Yield the plan as lines of text."""
    for one in plan.folders:
        count = len(one.programs)
        told = f"{count} programs, about {amount(one.nbytes)}" if count else one.because
        yield f"  {one.state.value:<8}{one.folder or one.model}  {told}"
    made = [one for one in plan.folders if one.state in (State.MAKE, State.WAIT)]
    there = sum(one.state is State.THERE for one in plan.folders)
    more = f", {there} there already" if there else ""
    more += f", {plan.refused} refused" if plan.refused else ""
    yield f"{plan.file}: {_count(len(made), 'folder')} to make{more}"
    if not made:
        return
    needs = plan.needs
    yield f"takes about {amount(needs.disk)} of disk, {amount(needs.memory)} of memory"
    if needs.seconds is not None:
        yield f"and at most {duration(needs.seconds)}, once the environment is there"
    yield from (f"  warning: {lack}" for lack in _lacks(needs))


def _lacks(needs: Needs) -> Iterator[str]:
    if needs.free < needs.disk:
        yield f"only {amount(needs.free)} of disk are free"
    if needs.installed < needs.memory:
        yield f"this machine has {amount(needs.installed)} of memory"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")

"""Conversions, from one model folder to finished, checked Core ML folders.

    read → merge → build → check → compile → write

`convert_models` is the list of these steps. Folders of one model, such as for several sizes, are
built together, so that what they have in common is made and stored once; then each is checked and
written by itself. Everything is made in a staging folder that becomes the result at the very end.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.bundle.fit import check_controlnet, folder_faults
from sdcoreml.convert.bundle.tokenizer import read_tokenizer, tokenizer_folder
from sdcoreml.convert.compile.compare import Keep, compile_compared
from sdcoreml.convert.compile.names import TEXT_VERSIONS
from sdcoreml.convert.compile.xcode import find_xcode
from sdcoreml.convert.jobs.kept import keep
from sdcoreml.convert.jobs.manifest import (
    Kept,
    read_manifest,
    write_manifest,
    written,
)
from sdcoreml.convert.jobs.options import program_options, recipe_for
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.prove import Built, prove
from sdcoreml.convert.jobs.staging import staged
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.layout import CONFIG_NAME, Component
from sdcoreml.convert.models.merge import merge_component
from sdcoreml.convert.packages.sharing import share_weights
from sdcoreml.convert.programs.options import Target
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.errors import Fault, SdcoremlError, UnsupportedError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.quantity import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A result in the making: its job, its staging folder, its programs, what is kept of before."""

    job: Job
    path: Path
    built: tuple[Built, ...]
    kept: Kept


def convert_model(job: Job, runner: Runner, emit: Emit = silent) -> Path:
    """Do one job; see `convert_models`."""
    (output,) = convert_models((job,), runner, emit)
    return output


def convert_models(jobs: Sequence[Job], runner: Runner, emit: Emit = silent) -> tuple[Path, ...]:
    """Do the jobs, which are all of one model; returns the finished folders.

    Raises:
        SdcoremlError: nothing is left behind of the job that failed and of those after it, and
            older results are untouched.
    """
    for job in jobs:
        _require_compiler(job)
    with ExitStack() as unfinished:
        stages = [unfinished.enter_context(ExitStack()) for _ in jobs]
        paths = [
            stage.enter_context(staged(job.output)) for job, stage in zip(jobs, stages, strict=True)
        ]
        scratch = stages[-1].enter_context(_scratch(paths[-1]))
        weights = _merge(jobs, scratch, emit)
        folders = [_open(job, path, weights) for job, path in zip(jobs, paths, strict=True)]
        _build(folders, runner, emit)
        for folder, stage in zip(folders, stages, strict=True):
            _finish(folder, runner, emit)
            stage.close()
    return tuple(job.output for job in jobs)


def _require_compiler(job: Job) -> None:
    """Raise `UnsupportedError` for a target that only Xcode compiles for, where there is none."""
    if not _is_known(job) and find_xcode() is None:
        raise UnsupportedError(
            f"target {job.options.target}: only Xcode compiles for it, and there is none here",
            remedy=f"choose {Target.MACOS15.value}: newer systems run it just as well",
        )


def _is_known(job: Job) -> bool:
    """Whether the compiled form of the target is known, so that no Xcode is needed."""
    return Target(job.options.target).specification in TEXT_VERSIONS


def _open(job: Job, path: Path, weights: Mapping[str, Path]) -> Folder:
    """Say what is to be made, and take over what is kept of an earlier result."""
    kept = keep(job, path)
    return Folder(
        job=job,
        path=path,
        built=tuple(_draft(job, part, path, weights) for part in job.parts),
        kept=kept,
    )


def _draft(job: Job, part: ProgramSpec, path: Path, weights: Mapping[str, Path]) -> Built:
    source = job.model.components[part.source]
    return Built(
        part=part,
        package=path / f"{part.stem}.mlpackage",
        config=source.folder / CONFIG_NAME,
        settings=source.config,
        weights=weights[part.source],
        options=program_options(job.options, part),
        halves=job.halves(part),
    )


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for what only the conversion needs; gone before the result takes its place."""
    scratch = folder / ".scratch"
    scratch.mkdir()
    yield scratch
    shutil.rmtree(scratch)


def _merge(jobs: Sequence[Job], scratch: Path, emit: Emit) -> Mapping[str, Path]:
    """One safetensors file for each component, in place where there is one already."""
    sources = {part.source: job.model for job in jobs for part in job.parts}
    return {
        name: _merge_one(model.components[name], scratch / name, emit)
        for name, model in sources.items()
    }


def _merge_one(component: Component, target: Path, emit: Emit) -> Path:
    files = len(component.weights)
    if not component.is_merged:
        what = f"merge {component.name}: {files} {'shards' if files > 1 else 'file'}"
        emit(Event(kind="step", text=f"{what} to one safetensors file"))
    return merge_component(component, target, emit)


def _build(folders: Sequence[Folder], runner: Runner, emit: Emit) -> None:
    """Write all packages, those of one component in one child process."""
    by_source: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        where = "" if len(folders) == 1 else f" of {folder.job.output.name}"
        for made in folder.built:
            recipe = recipe_for(folder.job.options, made.part)
            extra = {"recipe": recipe} if recipe else {}
            asked = {**made.request(), "title": made.part.stem + where, **extra}
            by_source.setdefault(made.part.source, []).append(asked)
    for programs in by_source.values():
        request = {key: programs[0][key] for key in ("config", "weights")}
        outcome = runner.run("build", {**request, "programs": programs}, emit)
        emit(Event(kind="note", text=f"built in {amount(outcome.peak_memory)} of memory"))


def _finish(folder: Folder, runner: Runner, emit: Emit) -> None:
    """Check, compile, and write what belongs beside the programs."""
    job, path = folder.job, folder.path
    share_weights(path)
    proofs = prove(folder.built, job.judge, runner, emit)
    kept = Keep.OURS if _is_known(job) else Keep.APPLES
    compiled = {made.part.program: _compile(made, kept, emit) for made in folder.built}
    emit(Event(kind="step", text="write the folder"))
    if CONTROLNET not in job.model.components:
        for name, content in read_tokenizer(tokenizer_folder(job.model.path)).files():
            (path / name).write_bytes(content)
    _check_folder(folder)
    kinds = {"checked": proofs, "compiled": compiled}
    write_manifest(job, folder.built, kinds, path, folder.kept)


def _compile(made: Built, kept: Keep, emit: Emit) -> Mapping[str, Any]:
    """Write the compiled folders; on a Mac with Xcode they are compared with what Apple makes."""
    outcomes = [
        compile_compared(package, target, find_xcode(), kept, emit)
        for package, target in zip(made.packages, made.compiled, strict=True)
    ]
    differences = [difference for outcome in outcomes for difference in outcome.differences]
    return {"verdict": outcomes[0].verdict, "differences": differences}


def _check_folder(folder: Folder) -> None:
    """Read everything back and compare it with what the runtimes ask for."""
    programs = {
        entry["component"]: written(folder.path, name, entry)
        for name, entry in folder.kept.programs.items()
    } | {made.part.program: made.written for made in folder.built}
    faults = (*folder_faults(programs, folder.path), *_misfits(folder.job, programs))
    if faults:
        raise SdcoremlError("; ".join(map(str, faults)))


def _misfits(job: Job, programs: Mapping[str, Packages]) -> Iterator[Fault]:
    """Where a ControlNet does not fit the UNet that it was made for."""
    if job.beside is None:
        return
    entries = read_manifest(job.beside)["programs"].items()
    unet = next(
        written(job.beside, name, entry)
        for name, entry in entries
        if entry["component"] == "controlled_unet"
    )
    with open_whole(programs[CONTROLNET]) as net, open_whole(unet) as controlled:
        yield from check_controlnet(net.model, net.path, controlled.model)

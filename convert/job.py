"""One conversion, from a model folder to a finished, checked Core ML folder.

    read → merge → build → check → compile → write

`convert_model` is the list of these steps; each takes the values of those before it. Everything is
made in a staging folder that becomes the result at the very end.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convert.bundle import NAMES, check_programs
from convert.compile.check import faults as faults_of
from convert.compile.compare import compile_compared
from convert.compile.compiled import read_compiled
from convert.compile.xcode import find_xcode
from convert.errors import ConvertError
from convert.families import Part, parts_of
from convert.manifest import write_manifest
from convert.models.layout import CONFIG_NAME, Component
from convert.models.merge import merge_component
from convert.options import COMPRESSED, program_options
from convert.plan import Job
from convert.proof import Built, prove
from convert.sharing import share_weights
from convert.spec.reader import read_package
from convert.staging import staged
from convert.tokenizer import Tokenizer, read_tokenizer, tokenizer_folder
from convert.worker import Runner
from envs.events import Emit, Event, silent


def convert_model(job: Job, runner: Runner, emit: Emit = silent) -> Path:
    """Do the job; returns the finished folder.

    Raises:
        ConvertError: nothing is left behind, and an older result is untouched.
    """
    tokenizer = read_tokenizer(tokenizer_folder(job.model.path))
    with staged(job.output) as folder, _scratch(folder) as scratch:
        parts = parts_of(job.model, controlled=job.options.controlled)
        weights = _merge(job, parts, scratch, emit)
        built = [_build(job, part, weights, folder, runner, emit) for part in parts]
        share_weights((folder, *job.siblings))
        proofs = prove(built, job.judge, runner, emit)
        compiled = {made.part.program: _compile(made, emit) for made in built}
        emit(Event(kind="step", text="write the folder"))
        _write_tokenizer(tokenizer, folder)
        _check_folder(built, folder)
        write_manifest(job, built, {"checked": proofs, "compiled": compiled}, folder)
    return job.output


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for what only the conversion needs; gone before the result takes its place."""
    scratch = folder / ".scratch"
    scratch.mkdir()
    yield scratch
    shutil.rmtree(scratch)


def _merge(job: Job, parts: tuple[Part, ...], scratch: Path, emit: Emit) -> Mapping[str, Path]:
    """One safetensors file for each component, in place where there is one already."""
    return {
        name: _merge_one(job.model.components[name], scratch / name, emit)
        for name in dict.fromkeys(part.source for part in parts)
    }


def _merge_one(component: Component, target: Path, emit: Emit) -> Path:
    files = len(component.weights)
    if not component.is_merged:
        what = f"merge {component.name}: {files} {'shards' if files > 1 else 'file'}"
        emit(Event(kind="step", text=f"{what} to one safetensors file"))
    return merge_component(component, target, emit)


def _build(
    job: Job, part: Part, weights: Mapping[str, Path], folder: Path, runner: Runner, emit: Emit
) -> Built:
    """Write one program's package in a child process."""
    name = NAMES[part.program]
    emit(Event(kind="step", text=f"build {name}"))
    source = job.model.components[part.source]
    built = Built(
        part=part,
        package=folder / f"{name}.mlpackage",
        config=source.folder / CONFIG_NAME,
        settings=source.config,
        weights=weights[part.source],
        options=program_options(job.options, part),
    )
    recipe = job.options.recipe if part.program in COMPRESSED else None
    extra = {"recipe": recipe} if recipe else {}
    outcome = runner.run("build", {**built.request(), **extra}, emit)
    emit(Event(kind="note", text=f"built in {outcome.peak_memory / 1e6:.0f} MB of memory"))
    return built


def _compile(made: Built, emit: Emit) -> Mapping[str, Any]:
    """Write the compiled folder; on a Mac with Xcode it is compared with what Apple makes of it."""
    outcome = compile_compared(made.package, made.compiled, find_xcode(), emit=emit)
    return {"verdict": outcome.verdict, "differences": list(outcome.differences)}


def _write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    for name, content in tokenizer.files():
        (folder / name).write_bytes(content)


def _check_folder(built: list[Built], folder: Path) -> None:
    """Read everything back and compare it with what the runtimes ask for."""
    models = {made.part.program: read_package(made.package).model for made in built}
    compiled = (faults_of(read_compiled(made.compiled)) for made in built)
    faults = (*check_programs(models, folder), *(fault for found in compiled for fault in found))
    if faults:
        raise ConvertError("; ".join(map(str, faults)))

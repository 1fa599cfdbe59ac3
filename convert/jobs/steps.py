"""Converts one model folder to finished, checked Core ML folders.

Folders of one model, for example for several sizes, are built together (the steps in `TOGETHER`),
so that what they share is made and stored once. Then each folder is checked and completed by itself
(the steps in `EACH`). Each is made in a staging folder, which becomes the result at the very end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.families import is_part_of
from sdcoreml.convert.bundle.fit import Called, folder_faults
from sdcoreml.convert.bundle.tokenizer import (
    pair_faults,
    read_tokenizer,
    read_written,
    tokenizer_files,
    tokenizer_folder,
)
from sdcoreml.convert.compile.compare import Keep, compile_compared
from sdcoreml.convert.compile.xcode import find_xcode
from sdcoreml.convert.jobs.answers import answers_of, write_answers
from sdcoreml.convert.jobs.building import (
    build_packages,
    draft,
    read_back,
    share,
)
from sdcoreml.convert.jobs.caveats import notes_of, warn
from sdcoreml.convert.jobs.compiler import is_known, require_compiler
from sdcoreml.convert.jobs.conversion import Conversion, Folder
from sdcoreml.convert.jobs.finding import find, hand_over, keep_files, recall, record
from sdcoreml.convert.jobs.for_comfyui import inputs_of
from sdcoreml.convert.jobs.kept import require_checked, require_lesser
from sdcoreml.convert.jobs.manifest import (
    NOT_COMPILED,
    CompiledRecord,
    Manifest,
    ProgramEntry,
    SourceRecord,
    write_manifest,
)
from sdcoreml.convert.jobs.misfits import find_misfits
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.prove import StagedProgram, prove
from sdcoreml.convert.jobs.reading import read_all
from sdcoreml.convert.jobs.report import write_report
from sdcoreml.convert.jobs.reuse import remember_inputs
from sdcoreml.convert.jobs.scanned import find_scanned, keep_scanned
from sdcoreml.convert.jobs.staging import drop_packages, scratch_in, stage_result
from sdcoreml.convert.jobs.upstream import require_possible
from sdcoreml.convert.jobs.weighed import KeptAudits
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.layout import Component
from sdcoreml.convert.models.merge import merge_component
from sdcoreml.ground.crew import Crew
from sdcoreml.ground.digest import describe, files_below
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.quantity import count_programs


def convert_models(
    jobs: Sequence[Job],
    workshop: Workshop,
    emit: Emit = silent,
    finished: Callable[[Job], None] = lambda _: None,
    locked: Callable[[], None] = lambda: None,
) -> tuple[Path, ...]:
    """Run the jobs, which all have the same model; return the finished folders.

    `locked` is called once nobody else can make the folders any more, before anything is made, and
    `finished` for each, as soon as its folder is there.

    Raises:
        SdcoremlError: a job failed. Results that were finished before stay. The failed job and
            later ones leave no partial results, and do not touch earlier results.
    """
    for job in jobs:
        require_compiler(job.options.target)
        if workshop.upstream:
            require_possible(job)
        if not workshop.force:
            require_lesser(job, workshop.policy)
    with Crew(workshop.workers, emit=emit), ExitStack() as unfinished:
        locks = [unfinished.enter_context(ExitStack()) for _ in jobs]
        stages = [unfinished.enter_context(ExitStack()) for _ in jobs]
        folders = tuple(
            Folder(job=job, path=stage.enter_context(stage_result(job.output, lock)))
            for job, stage, lock in zip(jobs, stages, locks, strict=True)
        )
        locked()
        scratch = stages[-1].enter_context(scratch_in(folders[-1].path))
        held = unfinished.enter_context(ExitStack())
        conversion = Conversion(
            folders=folders, workshop=workshop, emit=emit, scratch=scratch, held=held
        )
        warn(jobs, emit)
        for step in TOGETHER:
            conversion = step(conversion)
        left = list(conversion.folders)
        for stage, lock in zip(stages, locks, strict=True):
            folder = left.pop(0)
            for each in EACH:
                folder = each(folder, conversion)
            left = [hand_over(folder, other) for other in left]
            keep_files(folder, workshop)
            _drop_packages(folder, conversion)
            stage.close()
            # Whoever waits for the folder finds it recorded, and does not make it once more.
            record(folder, workshop)
            finished(folder.job)
            lock.close()
    return tuple(job.output for job in jobs)


def _read(conversion: Conversion) -> Conversion:
    """Hash all weights, and refuse NaN and infinity, before anything is built from them.

    What did not change since it was read for the same programs is not read again.
    """
    jobs = [folder.job for folder in conversion.folders]
    cache, toolchain = conversion.workshop.finds, conversion.workshop.toolchain
    known = find_scanned(jobs, conversion.inputs, toolchain, cache) if cache else ()
    since, read = time.time_ns(), read_all(jobs, known)
    if cache:
        remember_inputs(jobs, read, cache, since)
        keep_scanned(jobs, read, toolchain, cache)
    return replace(conversion, inputs={**conversion.inputs, **read})


def _merge(conversion: Conversion) -> Conversion:
    """Make one safetensors file per component, or use the original where that is one already."""
    jobs = (folder.job for folder in conversion.folders)
    sources = {part.source: job.model for job in jobs for part in job.parts}
    weights = {
        name: _merge_one(model.components[name], conversion.scratch / name, conversion.emit)
        for name, model in sources.items()
    }
    return replace(conversion, weights=weights)


def _merge_one(component: Component, target: Path, emit: Emit) -> Path:
    files = len(component.weights)
    if not component.is_merged:
        what = f"merge {component.name}: {files} {'shards' if files > 1 else 'file'}"
        emit(Event(kind="step", text=f"{what} to one safetensors file"))
    return merge_component(component, target, emit)


def _prove(folder: Folder, conversion: Conversion) -> Folder:
    shop = conversion.workshop
    if not shop.force:
        found = folder.found.programs.values()
        require_checked(folder.job, {entry.component: entry.checked for entry in found})
    if not folder.programs:
        return folder
    title = f"audit the weights of {count_programs(len(folder.programs))}"
    conversion.emit(Event(kind="step", text=title))
    audits = KeptAudits(cache=shop.finds) if shop.finds else None
    proofs = prove(folder.programs, shop.policy, shop.runner, conversion.emit, audits=audits)
    if not shop.force:
        require_checked(folder.job, proofs)
    return replace(folder, proofs=proofs)


def _compile(folder: Folder, conversion: Conversion) -> Folder:
    """Write the compiled models; if Xcode is installed, compare them with Apple's compiler's."""
    preferred = Keep.OURS if is_known(folder.job.options.target) else Keep.APPLES
    compiled = {}
    for made in folder.programs:
        if not made.compiled:
            compiled[made.part.program] = CompiledRecord(verdict=NOT_COMPILED)
            continue
        outcomes = [
            compile_compared(read.path, target, find_xcode(), preferred, conversion.emit, read)
            for read, target in zip(made.read, made.compiled, strict=True)
        ]
        found = tuple(item for outcome in outcomes for item in outcome.differences)
        record = CompiledRecord(verdict=outcomes[0].verdict, differences=found)
        compiled[made.part.program] = record
    return replace(folder, compiled=compiled)


def _add_tokenizer(folder: Folder, conversion: Conversion) -> Folder:
    """Write the tokenizer's files, except to the folder of a ControlNet or of a UNet alone."""
    conversion.emit(Event(kind="step", text="write the folder"))
    if folder.job.has_words:
        for name, content in read_tokenizer(tokenizer_folder(folder.job.model.path)).files():
            (folder.path / name).write_bytes(content)
    return folder


def _find_odd_words(folder: Path) -> tuple[str, ...]:
    faults = pair_faults(read_written(folder), folder) if tokenizer_files(folder) else ()
    return tuple(fault.what for fault in faults)


def _is_part(folder: Folder) -> bool:
    """Whether the folder lacks programs that an app needs, because the user left them out."""
    made = {entry.component for entry in folder.earlier.values()}
    made |= {made.part.program for made in folder.programs}
    return folder.job.redo is not None and is_part_of(folder.job.model.family, made)


def _check(folder: Folder, _: Conversion) -> Folder:
    """Compare all programs with what the runtimes require."""
    programs = {
        entry.component: entry.find_packages(folder.path, name)
        for name, entry in folder.earlier.items()
    } | {made.part.program: made.written for made in folder.programs}
    is_ours = is_known(folder.job.options.target)
    ours = {made.part.program: made.read for made in folder.programs if is_ours}
    job = folder.job
    inputs = inputs_of(job.model, job.options) if job.options.is_for_comfyui else None
    called = Called(runtime=job.options.runtime, is_part=_is_part(folder), inputs=inputs)
    fit = folder_faults(programs, folder.path, ours, called)
    if faults := (*fit, *find_misfits(job, programs)):
        raise SdcoremlError("; ".join(map(str, faults)))
    return folder


def _describe(folder: Folder, conversion: Conversion) -> Folder:
    """Write the page and the manifest."""
    model = folder.job.model
    sources = {entry.source for entry in folder.found.programs.values()}
    sources |= {made.part.source for made in folder.programs}
    inputs = {n: record for source in sources for n, record in conversion.inputs[source].items()}
    answers = {**folder.kept.answers, **folder.found.answers}
    answers |= answers_of(folder.programs, folder.proofs)
    manifest = Manifest(
        model=SourceRecord(
            name=model.path.resolve().name,
            family=model.family.value,
            made_from=model.origin or {},
            notes=notes_of(folder.job),
            settings=model.settings,
            fetched=model.fetched,
        ),
        inputs={**folder.kept.inputs, **inputs},
        options=folder.job.options,
        toolchain=conversion.workshop.toolchain,
        part=_is_part(folder),
        answers=write_answers(answers, folder.path),
        odd_tokenizer=_find_odd_words(folder.path),
        tokenizer=describe({path.name: path for path in tokenizer_files(folder.path)}),
        programs={**folder.kept.programs, **_entries(folder, conversion)},
    )
    manifest = replace(manifest, report=write_report(manifest, folder.path))
    write_manifest(manifest, folder.path)
    return replace(folder, manifest=manifest, answers=answers)


def _drop_packages(folder: Folder, conversion: Conversion) -> None:
    if folder.manifest and not conversion.workshop.keeps_packages:
        drop_packages(folder.path, folder.manifest)
        if finds := conversion.workshop.finds:
            entries = folder.manifest.programs.values()
            finds.stock.remember(one for entry in entries for one in entry.files.values())


def _entries(folder: Folder, conversion: Conversion) -> Mapping[str, ProgramEntry]:
    """Return the entries of the found and the new programs, in the order of an undisturbed run."""
    new = {made.part.stem: _entry(folder, made, conversion) for made in folder.programs}
    either = {**folder.found.programs, **new}
    return {part.stem: either[part.stem] for part in folder.job.all_parts}


def _entry(folder: Folder, made: StagedProgram, conversion: Conversion) -> ProgramEntry:
    """Return the manifest's entry for one program."""
    paths = [path for each in (*made.packages, *made.compiled) for path in files_below(each)]
    files = {path.relative_to(folder.path).as_posix(): path for path in sorted(paths)}
    upstream = conversion.workshop.upstream
    return ProgramEntry(
        component=made.part.program,
        source=made.part.source,
        options=made.options,
        recipe=folder.job.options.recipe_for(made.part),
        halves=made.halves,
        checked=folder.proofs[made.part.program],
        compiled=folder.compiled[made.part.program],
        files=conversion.weighed.describe(files),
        made_by=upstream.made_by if upstream else None,
    )


TOGETHER: tuple[Callable[[Conversion], Conversion], ...] = (
    recall,
    _read,
    find,
    _merge,
    draft,
    build_packages,
)
"""The steps that all folders of a model take together, in order."""

EACH: tuple[Callable[[Folder, Conversion], Folder], ...] = (
    share,
    read_back,
    _prove,
    _compile,
    _add_tokenizer,
    _check,
    _describe,
)
"""The steps that each folder takes by itself after `TOGETHER`, in order."""

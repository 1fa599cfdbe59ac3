"""The steps of a conversion that find what was made before, and record what is new."""

from __future__ import annotations

from dataclasses import replace

from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.conversion import Conversion, Folder
from sdcoreml.convert.jobs.foresight import foresee
from sdcoreml.convert.jobs.reuse import (
    Found,
    keys_of,
    place_files,
    recall_inputs,
    record_programs,
    take,
)
from sdcoreml.convert.jobs.weighed import record_weights
from sdcoreml.convert.jobs.workshop import Workshop


def recall(conversion: Conversion) -> Conversion:
    """Take programs that were made before from model files that did not change since."""
    workshop, jobs = conversion.workshop, [folder.job for folder in conversion.folders]
    if workshop.finds:
        conversion = replace(conversion, inputs=recall_inputs(jobs, workshop.finds))
        conversion = replace(conversion, folders=_take(conversion))
    left = [folder.job for folder in conversion.folders]
    conversion.emit(foresee(left, workshop.workers))
    return conversion


def find(conversion: Conversion) -> Conversion:
    """Take programs that were made before of the same weights, wherever these were.

    Nobody else makes the others meanwhile: whoever wants the same programs waits, and finds them.
    """
    if not (cache := conversion.workshop.finds):
        return conversion
    conversion = replace(conversion, folders=_take(conversion))
    missing = {
        folder.keys[part.program] for folder in conversion.folders for part in folder.job.parts
    }
    if not missing:
        return conversion
    conversion.held.enter_context(cache.hold(missing))
    return _leave_twins(replace(conversion, folders=_take(conversion)))


def _leave_twins(conversion: Conversion) -> Conversion:
    """Leave out the programs that an earlier folder of the same conversion makes, too."""
    made: set[str] = set()
    folders = []
    for folder in conversion.folders:
        keys = {part.program: folder.keys[part.program] for part in folder.job.parts}
        twins = frozenset(program for program, key in keys.items() if key in made)
        if folder.job.redo is None:
            made |= set(keys.values())
            job = replace(folder.job, found=folder.job.found | twins)
            folder = replace(folder, job=job, twins=twins)  # noqa: PLW2901  with its twins
        folders.append(folder)
    return replace(conversion, folders=tuple(folders))


def hand_over(folder: Folder, other: Folder) -> Folder:
    """Put the programs of a complete folder into another, which has the same programs."""
    same = {program for program in other.twins if other.keys[program] == folder.keys.get(program)}
    programs = dict(other.found.programs)
    answers = dict(other.found.answers)
    for part in other.job.all_parts:
        if part.program in same and folder.manifest:
            entry = folder.manifest.programs[part.stem]
            place_files({name: folder.path / name for name in entry.files}, other.path)
            programs[part.stem] = replace(entry, options=other.job.options.for_program(part))
            if part.stem in folder.answers:
                answers[part.stem] = folder.answers[part.stem]
    both = Found(programs=programs, answers=answers)
    return replace(other, found=both, twins=other.twins - same)


def _take(conversion: Conversion) -> tuple[Folder, ...]:
    """Return the folders with the programs that were made before and are not there yet."""
    cache = conversion.workshop.finds
    return tuple(
        _take_into(folder, conversion, cache) if cache and folder.job.redo is None else folder
        for folder in conversion.folders
    )


def _take_into(folder: Folder, conversion: Conversion, cache: Cache) -> Folder:
    keys = keys_of(folder.job, conversion.inputs, conversion.workshop)
    job, found = take(folder.job, keys, folder.path, cache, conversion.emit)
    both = Found(
        programs={**folder.found.programs, **found.programs},
        answers={**folder.found.answers, **found.answers},
    )
    return replace(folder, job=job, found=both, keys={**folder.keys, **keys})


def keep_files(folder: Folder, workshop: Workshop) -> None:
    """Keep the files of a complete folder's programs, so that they outlive it."""
    if workshop.finds and folder.manifest and folder.job.redo is None:
        entries = folder.manifest.programs.values()
        for files in (entry.files for entry in entries if not entry.kept):
            workshop.finds.keep_files({folder.path / name: one for name, one in files.items()})


def record(folder: Folder, workshop: Workshop) -> None:
    """Record the programs of a finished folder, for conversions that make the same."""
    if workshop.finds and folder.manifest and folder.job.redo is None:
        done = (folder.manifest, folder.job.output)
        record_programs(folder.keys, folder.answers, *done, workshop)
        record_weights(folder.layouts, *done, workshop.finds)

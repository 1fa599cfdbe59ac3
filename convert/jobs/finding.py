"""The steps of a conversion that find what was made before, and record what is new."""

from __future__ import annotations

from dataclasses import replace

from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.conversion import Conversion, Folder
from sdcoreml.convert.jobs.foresight import foresee
from sdcoreml.convert.jobs.reuse import Found, keys_of, recall_inputs, record_programs, take
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
    return replace(conversion, folders=_take(conversion))


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


def record(folder: Folder, workshop: Workshop) -> None:
    """Record the programs of a finished folder, for conversions that make the same."""
    if workshop.finds and folder.manifest and folder.job.redo is None:
        record_programs(folder.keys, folder.manifest, folder.answers, folder.job.output, workshop)

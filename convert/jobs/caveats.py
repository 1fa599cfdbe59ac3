"""Warns about a conversion before anything is built, and writes notes for the manifest."""

from __future__ import annotations

from collections.abc import Sequence

from sdcoreml.convert.bundle.tokenizer import read_tokenizer, tokenizer_folder
from sdcoreml.convert.jobs.foreign import foreign_names
from sdcoreml.convert.jobs.manifest import MARKER
from sdcoreml.convert.jobs.options import what_apps_leave_out
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.models.schedule import ACCEPT, describe_difference
from sdcoreml.ground.events import Emit, Event


def warn(jobs: Sequence[Job], emit: Emit) -> None:
    """Emit notes on what apps will not offer, and on foreign files that the folders will keep."""
    for sentence in dict.fromkeys(one for job in jobs for one in what_apps_leave_out(job.options)):
        emit(Event(kind="note", text=sentence))
    for job in jobs:
        stays = foreign_names(job.output) if (job.output / MARKER).is_file() else ()
        if names := [name for name in stays if not name.startswith(".")]:
            emit(Event(kind="note", text=f"kept in {job.output.name}: {', '.join(names)}"))


def notes_of(job: Job) -> tuple[str, ...]:
    """Return the notes on a job's model.

    An assumption about the prediction type is left out if an option states that type.
    """
    model = job.model
    found = model.prediction if job.options.prediction else None
    assumed = found.notes if found else ()
    difference = describe_difference(model.scheduler)
    accepted = (f"{difference} ({ACCEPT})",) if difference else ()
    known = read_tokenizer(tokenizer_folder(model.path)).notes if job.has_words else ()
    return (*(note for note in model.notes if note not in assumed), *known, *accepted)

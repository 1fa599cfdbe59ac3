"""Warnings given before anything is built, since they may change a caller's mind."""

from __future__ import annotations

from collections.abc import Sequence

from sdcoreml.convert.jobs.foreign import foreign_names
from sdcoreml.convert.jobs.manifest import MARKER
from sdcoreml.convert.jobs.options import what_apps_leave_out
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.ground.events import Emit, Event


def warn(jobs: Sequence[Job], emit: Emit) -> None:
    """Report what apps will not offer, and which foreign files in the folders will be kept."""
    for sentence in dict.fromkeys(one for job in jobs for one in what_apps_leave_out(job.options)):
        emit(Event(kind="note", text=sentence))
    for job in jobs:
        stays = foreign_names(job.output) if (job.output / MARKER).is_file() else ()
        if names := [name for name in stays if not name.startswith(".")]:
            emit(Event(kind="note", text=f"kept in {job.output.name}: {', '.join(names)}"))

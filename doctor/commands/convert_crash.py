"""Explains the end of a child process by what is known of its words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sdcoreml.doctor.commands.diagnose import page, versions_here
from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.ground.errors import WorkerError


@contextmanager
def explain_crash(toolchain: str) -> Iterator[None]:
    """If the child process dies, add the known causes of its output to the error."""
    try:
        yield
    except WorkerError as error:
        found = examine(error.log, entries(), versions_here(toolchain))
        if found.matches:
            error.explanation = "\n".join(page(found))
        raise

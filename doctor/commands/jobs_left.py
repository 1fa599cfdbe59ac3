"""What the last run of a job file left undone, for `sdcoreml jobs --retry-failed`."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from sdcoreml.convert.cache.key import key_of
from sdcoreml.convert.cache.shelf import Cache, Values
from sdcoreml.doctor.commands.jobs_file import JobFile
from sdcoreml.ground.advice import command
from sdcoreml.ground.errors import UsageError


def read_left(file: JobFile, cache: Cache | None) -> Collection[str]:
    """Return the folders, or models without one, that the last run of a file did not make.

    Raises:
        UsageError: no run of it is known, or it left nothing undone.
    """
    known = cache.find_values(Values.RUNS, _key(file)) if cache else {}
    left = known.get("left")
    if not isinstance(left, list):
        again = f"leave --retry-failed out: {command('jobs', file.path)}"
        raise UsageError("no run of it is known", where=file.path, remedy=again)
    if not left:
        raise UsageError("its last run left nothing undone", where=file.path)
    return [one for one in left if isinstance(one, str)]


def keep_left(file: JobFile, left: Sequence[str], cache: Cache | None) -> None:
    """Remember what a run of a job file left undone."""
    if cache:
        cache.keep_values(Values.RUNS, _key(file), {"left": list(left)})


def _key(file: JobFile) -> str:
    return key_of({"file": os.fspath(file.path.resolve())})

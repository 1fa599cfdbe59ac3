"""What the last run of a job file left undone, for `sdcoreml jobs --retry-failed`."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence

from sdcoreml.convert.cache.key import key_of
from sdcoreml.convert.cache.shelf import Cache, Values
from sdcoreml.doctor.commands.jobs_batch import Batch
from sdcoreml.doctor.commands.jobs_file import JobFile
from sdcoreml.doctor.commands.jobs_run import Result, choose_left, names_left
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
        raise UsageError("no run of it is known", where=file.path, remedy=_anew(file))
    if not left:
        raise UsageError("its last run left nothing undone", where=file.path, remedy=_anew(file))
    return [one for one in left if isinstance(one, str)]


def choose_rest(
    file: JobFile, batches: Sequence[Batch], left: Collection[str]
) -> tuple[Batch, ...]:
    """Return the batches of which something was left.

    Raises:
        UsageError: the file makes nothing of it any more.
    """
    chosen = choose_left(batches, left)
    if not chosen:
        what = "makes nothing any more of what its last run left undone"
        raise UsageError(what, where=file.path, remedy=_anew(file))
    return chosen


def remember(
    file: JobFile,
    batches: Sequence[Batch],
    cache: Cache | None,
    make: Callable[[], tuple[Result, ...]],
) -> tuple[Result, ...]:
    """Return what `make` makes of the batches, and remember what it leaves undone.

    Until it has ended, all is: if it is killed, the next run finds what is there already.
    """
    outputs = [
        [os.path.realpath(one) for one in batch.outputs] or [batch.request.given]
        for batch in batches
    ]
    _keep(file, [name for names in outputs for name in names], cache)
    results = make()
    _keep(file, names_left(results), cache)
    return results


def _keep(file: JobFile, left: Sequence[str], cache: Cache | None) -> None:
    if cache:
        cache.keep_values(Values.RUNS, _key(file), {"left": list(left)})


def _anew(file: JobFile) -> str:
    return f"leave --retry-failed out: {command('jobs', file.path)}"


def _key(file: JobFile) -> str:
    return key_of({"file": os.fspath(file.path.resolve())})

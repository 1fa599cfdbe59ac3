"""Kills conversions as they record their answers.

    python -m tests.convert.jobs.recording_kills MODEL PLACE [STEP]

Each file that a conversion opens to write, links, renames or removes is a moment, from the file of
answers on until the end: the manifest, the folder's name, the records in the cache. A fork of this
process gets SIGKILL just before every STEP-th of them, in turn, and the next conversion makes the
folder again. It prints what it found otherwise than without kills, a line each, and how many
moments there are.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from sdcoreml.convert.cache import digests
from sdcoreml.convert.cache.shelf import open_cache
from sdcoreml.convert.jobs.manifest import ANSWERS
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.ground.digest import describe, named_below
from sdcoreml.ground.leftovers import TOKEN
from tests.convert.jobs.test_answers import SIZE, Recording
from tests.convert.stand_ins import MADE_IN, job_of

CHANGES = frozenset({"os.rename", "os.remove", "os.link", "os.truncate", "os.mkdir", "os.rmdir"})


def convert(model: Path, place: Path) -> None:
    os.environ["SDCOREML_CACHE"] = f"{place / 'cache'}"
    shop = Workshop(runner=Recording(size=SIZE), toolchain=MADE_IN, cache=open_cache())
    convert_models([job_of(open_model(model), place / "out")], shop)


def die_at(moment: int) -> None:
    """End this process at a moment, counted from the file of answers on."""
    passed = iter(count())
    begun: list[bool] = []

    def look(event: str, words: tuple[Any, ...]) -> None:
        writes = (
            event == "open" and isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if writes and str(words[0]).endswith(ANSWERS):
            begun.append(True)
        if begun and (writes or event in CHANGES) and next(passed) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def in_fork(model: Path, place: Path, moment: int = -1) -> int:
    """Convert in a fork of this process, which dies at a moment; return its exit code."""
    child = os.fork()
    if not child:
        code = 1
        try:
            die_at(moment)
            convert(model, place)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def faults(model: Path, place: Path, step: int) -> Iterator[str]:
    """Yield what is otherwise after each kill; at the end, how many moments there are."""
    if in_fork(model, place):
        yield "an undisturbed conversion failed"
        return
    wanted = describe(named_below(place / "out"))
    for moment in count(0, step):
        shutil.rmtree(place)
        killed = in_fork(model, place, moment)
        if killed == 0:
            yield f"{moment - step} is the last moment"
            return
        if killed != -signal.SIGKILL or in_fork(model, place):
            yield f"{moment}: exit code {killed}, or the next run's"
        if describe(named_below(place / "out")) != wanted:
            yield f"{moment}: other bytes"
        left = [str(one) for one in place.rglob(".*") if TOKEN in one.name]
        if left:
            yield f"{moment}: left {left}"


if __name__ == "__main__":
    digests._SETTLED = -(10**10)  # the model was written just before
    first, second, *more = sys.argv[1:]
    for line in faults(Path(first), Path(second), int(more[0]) if more else 1):
        sys.stdout.write(f"{line}\n")

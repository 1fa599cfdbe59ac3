"""One of two runs at once: `python -m tests.doctor.commands.overlap_stand_in JOB-FILE CACHE`.

It prints a JSON line for what it does. It begins to build when it is told to, by a line on stdin.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.cache import digests
from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.worker import Outcome
from sdcoreml.doctor.commands.jobs_batch import Opener, open_batches
from sdcoreml.doctor.commands.jobs_file import read_job_file
from sdcoreml.ground.events import Emit, Event, silent
from tests.convert.stand_ins import MADE_IN, StandIn
from tests.doctor.commands.cluster_stand_in import SIZE, run_with


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Obeying(StandIn):
    """Says what it is about to build, and waits for the word."""

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        if task == "build":
            names = [one["component"] for made in request["components"] for one in made["programs"]]
            say(building=names)
            sys.stdin.readline()
        return super().run(task, request, emit)


def tell(event: Event) -> None:
    if "waiting for" in event.text:
        say(waits=event.text)


def main(job_file: str, cache: str) -> None:
    digests._SETTLED = -(10**10)  # files count as settled at once
    file = read_job_file(Path(job_file))
    with ExitStack() as stack:
        opener = Opener(into=file.into, run={"toolchain": "tested"}, stack=stack, emit=tell)
        run = run_with(Cache(folder=Path(cache), emit=tell), MADE_IN, opener, tell)
        run = replace(
            run, shop=replace(run.shop, runner=Obeying(size=SIZE)), pause=lambda _: time.sleep(0.01)
        )
        for result in run.make(open_batches(file, opener)):
            say(folder=Path(result.folder).name, state=result.state.value)


if __name__ == "__main__":
    main(*sys.argv[1:])

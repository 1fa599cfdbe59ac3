"""What makes the folders of a job in tests of clusters: the stand-in of a built environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.cache.shelf import Cache, cache_folder
from sdcoreml.convert.jobs.manifest import MadeIn
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.doctor.commands.jobs_batch import Opener
from sdcoreml.doctor.commands.jobs_run import Run
from sdcoreml.doctor.commands.jobs_task import FolderTask, answer, serve
from sdcoreml.envs.cluster.dask import Message
from sdcoreml.envs.cluster.folder import Cluster
from sdcoreml.ground.events import Emit
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.stand_ins import StandIn

ROOT = Path(__file__).parents[3]
SIZE = Dimensions(batch=2, height=8, width=8, features=32, tokens=77)

_CODE = f"""\
import sys
sys.path.insert(0, {os.fspath(ROOT)!r})
from {__name__} import open_stand_in, serve
serve(open_stand_in)
"""
COMMAND = (sys.executable, "-B", "-c", _CODE)
"""Does a task in a process of its own."""

SLOW = (*COMMAND[:3], f"import time; time.sleep(3)\n{_CODE}")
STUCK = (*COMMAND[:3], "import sys; sys.stdin.read()")
"""Does nothing until its stdin is closed."""


def run_with(cache: Cache, made_in: MadeIn, opener: Opener, emit: Emit) -> Run:
    return Run(
        shop=Workshop(runner=StandIn(size=SIZE), toolchain=made_in, cache=cache),
        opener=opener,
        toolchain=load_toolchain("tested"),
        require_able=lambda _: None,
        emit=emit,
    )


def open_stand_in(task: FolderTask, opener: Opener, stack: ExitStack, emit: Emit) -> Run:
    del stack
    return run_with(Cache(folder=cache_folder()), task.made_in, opener, emit)


class Obedient:
    """A cluster of one worker, which does the tasks here."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def take_part(self, cluster: Cluster, **request: Any) -> Generator[Message, None, None]:
        del cluster
        self.asked.append(request)
        yield {"worker": "mac", "because": ""}
        for task in request["tasks"]:
            sent = json.loads(json.dumps(task))
            yield {"began": task["id"], "worker": "mac"}
            with patch.dict(os.environ, sent["task"]["environ"]):
                made = answer(sent["task"], open_stand_in)
            yield {"ended": task["id"], "worker": "mac", "answer": made}


__all__ = ["COMMAND", "SLOW", "STUCK", "Obedient", "open_stand_in", "run_with", "serve"]

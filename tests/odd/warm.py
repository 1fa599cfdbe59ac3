"""A server process in the built environment that runs many conversions and imports torch once.

Each task runs in a fork of the server, so it starts from the same clean state as a new process.
Results are cached by the content of the input files, since the same input gives the same bytes:
most odd inputs are the same model in another folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sdcoreml.convert.worker import LAUNCH, Outcome, _converse
from sdcoreml.ground.crew import revive
from sdcoreml.ground.errors import WorkerError
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.places import PACKAGE

_SERVE = "from sdcoreml.convert.tasks.serve import serve\nserve()\n"
_MANY = """\
import contextlib, os, signal, socket
from sdcoreml.convert.tasks import build
with contextlib.suppress(ImportError):
    from sdcoreml.convert.tasks import check
from sdcoreml.convert.tasks.serve import serve
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[2])
listening.listen()
while True:
    client, _ = listening.accept()
    if os.fork() == 0:
        os.dup2(client.fileno(), 0)
        os.dup2(client.fileno(), 1)
        serve()
    client.close()
"""
_SECONDS = 120.0
"""The time limit in seconds for the imports, on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmWorker:
    """A `Runner` whose tasks are forks of the process that listens at `address`.

    Results, and copies of the built packages, are cached in the folder `kept`.
    """

    address: str
    kept: Path
    known: dict[str, Outcome] = field(default_factory=dict)

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        """Run a task, with the arguments and result of `Worker.run`."""
        components = request.get("components", ())
        if len(components) > 1:  # each is remembered by itself
            parts = [self.run(task, {**request, "components": [one]}, emit) for one in components]
            peak = max(part.peak_memory for part in parts)
            values = [one for part in parts for one in cast("list[object]", part.value)]
            return Outcome(value=values, peak_memory=peak)
        key = digest(f"{task} {json.dumps(_by_content(request))}".encode())
        made = [one for asked in components for one in asked["programs"]]
        places = [Path(program["package"]) for program in made]
        copies = [self.kept / f"{key}-{number}" for number in range(len(places))]
        if key not in self.known:
            answer = self._ask(task, request, emit)
            if not all(place.exists() for place in places):  # split into halves elsewhere
                return answer
            self.known[key] = answer
            for place, copy in zip(places, copies, strict=True):
                shutil.copytree(place, copy)
        elif places:
            for place, copy in zip(places, copies, strict=True):
                shutil.copytree(copy, place)
        return self.known[key]

    def _ask(self, task: str, request: Mapping[str, Any], emit: Emit) -> Outcome:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.address)
            with client.makefile("wb") as asked, client.makefile("rb") as told:
                answer = _converse(asked, told, task, request, emit)
        if answer is None:
            raise WorkerError(f"{task}: the child died without an answer")
        if answer.error is not None:
            raise revive(answer.error)
        return Outcome(value=answer.value, peak_memory=answer.peak_memory)


_RESULTS = frozenset({"package", "title"})
"""Fields of a request with a program's output path or title, which do not affect its content."""


def _by_content(value: Any) -> Any:
    """Replace paths of files and folders in a request by digests of their content."""
    match value:
        case dict():
            return {
                name: "" if name in _RESULTS and not Path(str(item)).exists() else _by_content(item)
                for name, item in value.items()
            }
        case list() | tuple():
            return [_by_content(item) for item in value]
        case str() if Path(value).is_absolute():
            place = Path(value)
            files = sorted(place.rglob("*")) if place.is_dir() else [place]
            return [digest(file.read_bytes()) for file in files if file.is_file()]
        case _:
            return value


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def warm_worker(python: Path) -> Iterator[WarmWorker]:
    """Run the server with the interpreter `python` during the block; yield a runner for it."""
    assert LAUNCH.endswith(_SERVE)
    program = LAUNCH.removesuffix(_SERVE) + _MANY
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/listening"
        environ = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        process = subprocess.Popen(
            [python, "-I", "-B", "-c", program, PACKAGE, address],
            env=environ,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(process, Path(address))
            yield WarmWorker(address=address, kept=Path(folder))
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: Path) -> None:
    end = time.monotonic() + _SECONDS
    while not address.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise WorkerError("the built environment does not start")
        time.sleep(0.1)
    time.sleep(0.2)  # bound, and about to listen

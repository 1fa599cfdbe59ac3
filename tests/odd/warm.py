"""Runs many conversions whose children are forks of one process that has imported torch.

Results are cached by the content of the input files, since the same input gives the same bytes:
most odd inputs are the same model in another folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sdcoreml.convert.worker import LAUNCH, Outcome, Worker
from sdcoreml.ground.events import Emit, silent
from tests.forks import fork_server, program_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmWorker:
    """A `Runner` that remembers what `worker` answered.

    Results, and copies of the built packages, are cached in the folder `kept`.
    """

    worker: Worker
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
            answer = self.worker.run(task, request, emit)
            if not all(place.exists() for place in places):  # split into halves elsewhere
                return answer
            self.known[key] = answer
            for place, copy in zip(places, copies, strict=True):
                shutil.copytree(place, copy)
        elif places:
            for place, copy in zip(places, copies, strict=True):
                shutil.copytree(copy, place)
        return self.known[key]


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
    """Yield a runner whose children are forks of a process of the interpreter `python`."""
    with fork_server(python) as address, tempfile.TemporaryDirectory() as folder:
        worker = Worker(python=python, launch=program_of(address, LAUNCH))
        yield WarmWorker(worker=worker, kept=Path(folder))

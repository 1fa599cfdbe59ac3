"""`sdcoreml jobs FILE --cluster FOLDER`: the folders that are not there yet are made by workers.

The file is read and planned here, as always. All machines share folders, at the same paths: that of
the job file, those of the results and the cache. The coordinator writes a sign into each of them,
and a worker that does not see the signs gets no work.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sdcoreml
from sdcoreml.convert.cache.key import builder_version
from sdcoreml.convert.cache.shelf import VARIABLE
from sdcoreml.convert.jobs.reuse import xcode
from sdcoreml.doctor.commands.jobs_batch import Batch, in_order
from sdcoreml.doctor.commands.jobs_file import JobFile
from sdcoreml.doctor.commands.jobs_run import Result, Run, State, ended, expected_of
from sdcoreml.doctor.commands.jobs_task import FolderTask
from sdcoreml.doctor.core.overall import Expected, begin, expect
from sdcoreml.envs.cluster.dask import Members
from sdcoreml.envs.cluster.folder import Cluster
from sdcoreml.ground import locks
from sdcoreml.ground.advice import command, spell
from sdcoreml.ground.aside import scratch_folder
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from sdcoreml.ground.events import Emit, Event, Kind
from sdcoreml.ground.refusals import translate_os_errors
from sdcoreml.lockfiles.toolchain import Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a run would do about one folder: a `result` that is known already, or a task.

    `after` are the numbers of others that must have ended before.
    """

    batch: Batch
    folder: str = ""
    programs: int = 0
    result: Result | None = None
    after: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """How the folder is named while it is made."""
        return self.folder or self.batch.request.given


def make(
    run: Run, batches: Sequence[Batch], file: JobFile, cluster: Cluster, members: Members
) -> tuple[Result, ...]:
    """Have a cluster's workers make the folders that are not there yet.

    Raises:
        UnreachableError: there is no cluster.
        SdcoremlError: a folder that the machines share cannot be written here.
    """
    planned = tuple(plan(run, batches))
    if all(one.result for one in planned):
        return tuple(dict.fromkeys(one.result for one in planned if one.result))
    numbers = {id(request): number for number, request in enumerate(file.requests)}
    tasks = [
        _as_task(run, one, file, number, numbers[id(one.batch.request)])
        for number, one in enumerate(planned)
        if one.result is None
    ]
    run.emit(expect(expected_of(one.batch for one in planned)))
    for one in planned:
        if one.result:
            run.emit(ended(one.result))
    with show_signs(shared_folders(run, planned, file)) as signs:
        progress = ClusterProgress(emit=run.emit, planned=planned, cluster=cluster.folder)
        messages = members.take_part(
            cluster,
            do="coordinate",
            run=secrets.token_hex(4),
            job=_pins(run, file),
            signs=[*signs, *({"file": os.fspath(path)} for path in models_of(planned))],
            tasks=tasks,
        )
        with closing(messages):
            for message in messages:
                progress.hear(message)
    return tuple(dict.fromkeys(progress.results()))


def plan(run: Run, batches: Sequence[Batch]) -> Iterator[Planned]:
    """Yield every folder, in the order in which they are to be made."""
    makers: dict[str, int] = {}
    number = 0
    for batch in in_order(batches):
        for one in _of_batch(run, batch, makers):
            if one.folder and one.result is None:
                makers[os.path.realpath(one.folder)] = number
            yield one
            number += 1


def _of_batch(run: Run, batch: Batch, makers: Mapping[str, int]) -> Iterator[Planned]:
    if batch.fault:
        error = batch.fault.as_error()
        failed = _result(batch, State.FAILED, because=spell(str(error)), code=error.code)
        yield Planned(batch=batch, result=failed)
    elif batch.after is not None:
        maker = makers.get(os.path.realpath(batch.after))
        yield Planned(batch=batch, after=() if maker is None else (maker,))
    else:
        for job in batch.jobs:
            folder, count = os.fspath(job.output), len(job.parts)
            there = run.is_there(batch, job)
            reused = _result(batch, State.REUSED, folder=folder, programs=count)
            yield Planned(
                batch=batch, folder=folder, programs=count, result=reused if there else None
            )


def _result(batch: Batch, state: State, **more: Any) -> Result:  # noqa: ANN401  fields of a result
    return Result(state=state, place=batch.request.place, model=batch.request.given, **more)


def _address(asked: str, used: Toolchain) -> str:
    """Return how a worker finds the toolchain: its name, or the folder of a user's own."""
    if "/" in asked or used.is_shipped:
        return asked if "/" in asked else used.name
    return f"{used.folder}/"


def _as_task(
    run: Run, one: Planned, file: JobFile, number: int, request: int
) -> Mapping[str, object]:
    asked = one.batch.args.toolchain
    task = FolderTask(
        file=file.path,
        digest=file.digest,
        number=request,
        folder=one.folder,
        builder=builder_version(),
        asked=asked,
        toolchain=_address(asked, run.toolchain),
        made_in=run.shop.toolchain,
    )
    cache = run.shop.cache
    return {
        "id": number,
        "after": one.after,
        "task": {
            "title": one.title,
            "task": to_plain(task),
            "environ": {VARIABLE: os.fspath(cache.folder)} if cache else {},
        },
    }


def _pins(run: Run, file: JobFile) -> Mapping[str, str]:
    """Return what must be the same on a worker."""
    made_in = run.shop.toolchain
    return {
        "file": os.fspath(file.path),
        "version": sdcoreml.__version__,
        "builder": builder_version(),
        "toolchain": made_in.name,
        "target": made_in.target,
        "lock": made_in.lock,
        "python": made_in.python,
        "xcode": xcode() or "",
    }


def shared_folders(run: Run, planned: Sequence[Planned], file: JobFile) -> Sequence[Path]:
    """Return the folders that all machines must share: of the job file, the cache and results."""
    results = [Path(one.folder).parent for one in planned if one.folder and not one.result]
    cache = [run.shop.cache.folder] if run.shop.cache else []
    return tuple(dict.fromkeys((file.path.parent, *cache, *results)))


def models_of(planned: Sequence[Planned]) -> Sequence[Path]:
    """Return the models on this machine's disk; those given by name are fetched by each worker."""
    todo = (one.batch.request for one in planned if one.result is None)
    paths = dict.fromkeys(Path(one.args.model).absolute() for one in todo)
    return tuple(path for path in paths if path.exists())


@contextmanager
def show_signs(folders: Sequence[Path]) -> Iterator[Sequence[Mapping[str, str]]]:
    """Write a hidden file with a secret text into each folder, and yield them; remove them again.

    The file and the hidden folder that it is in are locked, to show whether other machines notice.
    What a killed run leaves of them is swept like all that is half-made.

    Raises:
        SdcoremlError: a folder cannot be written.
    """
    text = secrets.token_hex(16)
    with ExitStack() as shown:
        signs = []
        for folder in folders:
            there = next(one for one in (folder, *folder.parents) if one.is_dir())
            with translate_os_errors(there):
                sign = shown.enter_context(scratch_folder(there / "cluster")) / "sign"
                sign.write_text(text, encoding="ascii")
                shown.enter_context(locks.hold(sign))
            signs.append({"folder": os.fspath(folder), "file": os.fspath(sign), "text": text})
        yield signs


@dataclass(slots=True, kw_only=True)
class ClusterProgress:
    """What workers did so far, told as events. `cluster` is its folder."""

    emit: Emit
    planned: Sequence[Planned]
    cluster: Path
    made: dict[int, tuple[Result, ...]] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take one message of the coordinating member."""
        match message:
            case {"began": number, "worker": name}:
                self.begun.add(number)
                title, total = self.planned[number].title, self.tasks
                where = f"{len(self.begun)} of {total}: {title}, on {name}"
                self._say("step", where)
                if folder := self.planned[number].folder:
                    self.emit(begin([folder], where))
            case {"ended": number, "worker": name, "answer": answer}:
                self._end(number, answer)
                title, total = self.planned[number].title, self.tasks
                self._say("note", f"{len(self.made)} of {total} ended: {title}, on {name}")
            case {"lost": name, "id": number}:
                title = self.planned[number].title
                self._say("warning", f"{name} was lost; another makes {title}")
            case {"lost": name, "because": ""}:
                self._say("note", f"{name} left")
            case {"worker": name, "because": ""}:
                self._say("note", f"{name} takes part")
            case {"worker": name, "because": because}:
                self._say("warning", f"{name} gets no work: {because}")
            case {"waiting": True}:
                start = command("worker", self.cluster)
                self._say("note", f"no worker takes part; on each machine, start {start}")

    def _end(self, number: int, answer: Mapping[str, Any]) -> None:
        results = self._read(self.planned[number], answer)
        self.made[number] = results
        if not self.planned[number].folder:  # what waited was not expected yet
            self.emit(expect(_expected(results)))
        for result in results:
            self.emit(ended(result))

    def _say(self, kind: Kind, text: str) -> None:
        self.emit(Event(kind=kind, text=text))

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return sum(one.result is None for one in self.planned)

    def results(self) -> Iterator[Result]:
        """Yield what became of each folder, in the order of the plan."""
        for number, one in enumerate(self.planned):
            if one.result:
                yield one.result
            else:
                yield from self.made.get(number, (_fail(one, "no worker made it"),))

    def _read(self, one: Planned, answer: Mapping[str, Any]) -> tuple[Result, ...]:
        """Return the results of an answer; what is wrong with it becomes one."""
        try:
            results = from_plain(tuple[Result, ...], answer["results"], "results")
        except (KeyError, DecodeError):
            results = ()
        because = spell(str(answer.get("error", "a worker gave no answer")))
        return results or (_fail(one, because),)


def _expected(results: Sequence[Result]) -> Iterator[Expected]:
    """Yield the folders of results, whose size no longer matters."""
    for one in results:
        if one.folder:
            yield Expected(folder=one.folder, model=one.model, bytes=0)


def _fail(one: Planned, because: str) -> Result:
    failed = _result(one.batch, State.FAILED, folder=one.folder, because=because)
    return replace(failed, programs=one.programs)

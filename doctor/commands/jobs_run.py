"""`sdcoreml jobs FILE`: makes the folders of a job file that are not there yet.

One failing model stops no other. Whatever ends a run, the next one goes on: folders that are
finished are there, and programs of others are found (`convert.jobs.reuse`).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.there import is_there, keep_finished
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.doctor.commands.convert import open_model, read_jobs
from sdcoreml.doctor.commands.convert_crash import explain_crash
from sdcoreml.doctor.commands.convert_deliver import deliver, fault_of
from sdcoreml.doctor.commands.convert_ingredients import ingredients_of
from sdcoreml.doctor.commands.convert_jobs import policy_of
from sdcoreml.doctor.commands.convert_plan import bytes_of
from sdcoreml.doctor.commands.convert_preflight import goal_of
from sdcoreml.doctor.commands.jobs_batch import Batch, Opener, in_order
from sdcoreml.doctor.commands.jobs_room import (
    LONGEST_PAUSE,
    Boundless,
    Patience,
    Room,
    choose_next,
    hold_room,
)
from sdcoreml.doctor.commands.preflight import address
from sdcoreml.doctor.commands.verify_coreml import FindMac, find_mac, load_finished
from sdcoreml.doctor.core.facts import Goal
from sdcoreml.doctor.core.overall import Expected, Scarce, Shortage, begin, end, expect, wait
from sdcoreml.ground.advice import spell
from sdcoreml.ground.aside import drop_lock
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import BusyError, SdcoremlError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.lockfiles.toolchain import Toolchain


class State(Enum):
    """What became of a folder."""

    DONE = "done"
    REUSED = "reused"
    """It was there already."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """What it is for could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a folder; without one, of a model that was refused.

    `because` is the error, `code` the id of the check
    that finds it, `explanation` the known causes of a crash, and `exit_code` the error's own.
    """

    state: State
    place: str
    model: str
    folder: str = ""
    programs: int = 0
    seconds: float = 0.0
    because: str = ""
    code: str = ""
    explanation: str = ""
    exit_code: int = 0

    @property
    def is_there(self) -> bool:
        """Whether the folder is there now."""
        return self.state in (State.DONE, State.REUSED)


class _MadeMeanwhileError(Exception):
    """Another process has finished a folder after we looked, and before we could begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of batches: the workshop for all of them.

    `require_able` refuses a goal that this machine cannot reach; `pause` waits for another process,
    or for `room`. `mac` finds the Mac that loads folders before they are installed.
    """

    shop: Workshop
    opener: Opener
    toolchain: Toolchain
    require_able: Callable[[Goal], None]
    emit: Emit
    pause: Callable[[float], None] = time.sleep
    mac: FindMac = find_mac
    room: Room = field(default_factory=Boundless)

    def make(self, batches: Sequence[Batch]) -> tuple[Result, ...]:
        """Make all batches in order; errors become results."""
        results: dict[Result, None] = {}
        self.emit(expect(expected_of(batches)))
        queue, patience = list(in_order(batches)), Patience(emit=self.emit, pause=self.pause)
        while queue:
            batch = choose_next(queue, self._find_shortage, patience)
            number = len(batches) - len(queue) + 1
            queue = [one for one in queue if one is not batch]
            waited = batch.after is not None
            if waited:
                batch = self.opener.open(batch.request)  # its folder may be there now
                self.emit(expect(expected_of([batch])))
            title = f"{number} of {len(batches)}: {batch.request.given}"
            self.emit(Event(kind="step", text=title))
            for result in self._make(batch, title, patience, waited=waited):
                if result not in results:
                    self.emit(ended(result))
                results[result] = None
        return tuple(results)

    def _find_shortage(self, batch: Batch) -> Shortage | None:
        """Return what there is too little of to make what is not there yet."""
        lack = self.room.find_shortage(batch, batch.jobs)
        if lack is None:
            return None
        left = [job for job in batch.jobs if not self.is_there(batch, job)]
        return self.room.find_shortage(batch, left)

    def _make(
        self, batch: Batch, title: str, patience: Patience, *, waited: bool
    ) -> Iterator[Result]:
        if batch.fault:
            state = State.SKIPPED if waited else State.FAILED
            yield replace(_result(batch, batch.fault.as_error()), state=state)
        jobs, tries = list(batch.jobs), 0
        while jobs:
            there = [job for job in jobs if self.is_there(batch, job)]
            yield from (self._kept(batch, job) for job in there)
            jobs = [job for job in jobs if job not in there]
            begun = time.monotonic()
            try:
                made = tuple(self._convert(batch, jobs, title, patience))
            except _MadeMeanwhileError:
                continue
            except BusyError as error:
                self._wait(error, tries)
                tries += 1
            except SdcoremlError as error:
                if len(jobs) == 1:
                    yield _result(batch, error, jobs[0])
                    return
                yield from self._one_by_one(batch, jobs, title, patience, time.monotonic() - begun)
                return
            else:
                yield from made
                return

    def _wait(self, error: BusyError, tries: int) -> None:
        """Wait for another process, longer each time; say so once."""
        if not tries:
            shortage = Shortage(scarce=Scarce.PROCESS, folder=error.where)
            self.emit(wait(shortage, f"waiting for another process: {error.where}: {error.what}"))
        self.pause(min(2**tries, LONGEST_PAUSE))

    def _one_by_one(
        self, batch: Batch, jobs: Sequence[Job], title: str, patience: Patience, seconds: float
    ) -> Iterator[Result]:
        """Convert each job by itself, since one of them failed after `seconds`.

        Those that are there now were finished before it failed.
        """
        finished = [job for job in jobs if self.is_there(batch, job)]
        for job in jobs:
            if job in finished:
                kept = self._kept(batch, job)
                yield _done(batch, job, seconds / len(finished)) if kept.is_there else kept
            else:
                single = replace(batch, jobs=(job,))
                yield from self._make(single, title, patience, waited=False)

    def is_there(self, batch: Batch, job: Job) -> bool:
        """Whether a folder is there already, just as it would be made now."""
        return is_there(job, ingredients_of(batch.args), self._shop_of(batch.args))

    def _convert(
        self, batch: Batch, jobs: Sequence[Job], title: str, patience: Patience
    ) -> Iterator[Result]:
        """Convert the jobs together, once there is room for them.

        Raises:
            BusyError: another process makes one of the folders now.
            SdcoremlError: one of them failed; those before it are finished.
        """
        if not jobs:
            return
        args = argparse.Namespace(**{**vars(batch.args), "model": batch.request.args.model})
        if refusal := self.room.refuse(batch, jobs):
            raise refusal
        self.require_able(goal_of(jobs))
        with hold_room(self.room, batch, jobs, patience):
            begun = time.monotonic()
            self.emit(begin([os.fspath(job.output) for job in jobs], title))
            folders = self._produce(batch, jobs, args)
        each = (time.monotonic() - begun) / len(folders)
        withheld = self._deliver(args, folders)
        for job in jobs:
            yield _unless_withheld(_done(batch, job, each), withheld.get(job.output))

    def _produce(
        self, batch: Batch, jobs: Sequence[Job], args: argparse.Namespace
    ) -> tuple[Path, ...]:
        shop, ingredients = self._shop_of(args), ingredients_of(batch.args)
        outputs = {job.output for job in jobs}
        with explain_crash(address(self.toolchain)), open_model(args, self.emit) as model:
            made = [job for job in read_jobs(args, model) if job.output in outputs]

            def finish(job: Job) -> None:
                keep_finished(ingredients, job, shop)

            def require_missing() -> None:
                if any(self.is_there(batch, job) for job in jobs):
                    raise _MadeMeanwhileError

            return convert_models(made, shop, self.emit, finish, require_missing)

    def _kept(self, batch: Batch, job: Job) -> Result:
        """Return the result for a folder that was there, after installing it where asked for."""
        drop_lock(job.output)  # a run that was killed right after making it has left one
        withheld = self._deliver(batch.args, [job.output])
        return _unless_withheld(_there(batch, job), withheld.get(job.output))

    def _deliver(
        self, args: argparse.Namespace, folders: Sequence[Path]
    ) -> Mapping[Path, SdcoremlError]:
        """Install folders where asked for; return why those were not that could not be."""
        withheld, tries = deliver(args, folders, self.emit, self._find_fault).withheld, 0
        while busy := next((one for one in withheld.values() if isinstance(one, BusyError)), None):
            self._wait(busy, tries)
            tries += 1
            withheld = deliver(args, folders, self.emit, self._find_fault).withheld
        return withheld

    def _find_fault(self, folder: Path) -> SdcoremlError | None:
        """Return what Core ML finds wrong with a folder, on a Mac."""
        shop = self.shop
        loaded = load_finished([folder], self.toolchain, shop.runner, self.emit, self.mac)
        return fault_of(folder, loaded.get(folder))

    def _shop_of(self, args: argparse.Namespace) -> Workshop:
        policy = policy_of(args, self.toolchain)
        certified_only = self.shop.policy.certified_only
        return replace(
            self.shop,
            policy=replace(policy, certified_only=certified_only),
            force=args.force,
            keeps_packages=args.packages == "keep",
        )


def _done(batch: Batch, job: Job, seconds: float) -> Result:
    done = _result(batch, None, job)
    return replace(done, seconds=round(seconds, 1), programs=len(job.parts))


def _there(batch: Batch, job: Job) -> Result:
    done = _result(batch, None, job)
    return replace(done, state=State.REUSED, programs=len(job.parts))


def _unless_withheld(result: Result, error: SdcoremlError | None) -> Result:
    if error is None:
        return result
    because = spell(f"not installed: {error}")
    failed = replace(result, state=State.FAILED, because=because, code=error.code)
    return replace(failed, exit_code=int(error.exit_code))


def _result(batch: Batch, error: SdcoremlError | None, job: Job | None = None) -> Result:
    return Result(
        state=State.FAILED if error else State.DONE,
        place=batch.request.place,
        model=batch.request.given,
        folder=os.fspath(job.output) if job else "",
        because=spell(str(error)) if error else "",
        code=error.code if error else "",
        explanation=error.explanation if error else "",
        exit_code=int(error.exit_code) if error else 0,
    )


def expected_of(batches: Iterable[Batch]) -> Iterator[Expected]:
    """Yield the folders that batches are to make, as far as they are known yet.

    Those of a batch that waits for another's folder are not, even if that is there from an earlier
    run: without it, or with another one, they may never be made.
    """
    for batch in (one for one in batches if one.after is None):
        for job in batch.jobs:
            size = sum(bytes_of(job, part, batch.judgement) for part in job.parts)
            folder, model = os.fspath(job.output), batch.request.given
            yield Expected(folder=folder, model=model, bytes=size)


def ended(result: Result) -> Event:
    """Return the event that says what became of a folder."""
    return end(result.folder, to_plain(result), was_there=result.state is not State.DONE)


def as_data(results: Sequence[Result]) -> list[dict[str, object]]:
    """Convert the results to plain values for JSON."""
    data: list[dict[str, object]] = to_plain(results)
    return data


def table(results: Sequence[Result]) -> Iterator[str]:
    """Yield what became of each folder, a line each, and the sums."""
    for one in results:
        told = one.because
        if one.state is State.DONE:
            told = f"{one.programs} programs in {one.seconds:.1f} s"
        elif one.state is State.REUSED:
            told = "there already"
        yield f"  {one.state.value:<8}{one.folder or one.model}  {told}"
        yield from (f"          {line}" for line in one.explanation.splitlines())
    counts = {state: sum(one.state is state for one in results) for state in State}
    yield ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)


def choose_left(batches: Sequence[Batch], left: Collection[str]) -> tuple[Batch, ...]:
    """Return the batches of which something was `left` by an earlier run (`names_left`)."""
    chosen = []
    for batch in batches:
        jobs = tuple(job for job in batch.jobs if os.path.realpath(job.output) in left)
        if jobs or batch.request.given in left:
            chosen.append(replace(batch, jobs=jobs or batch.jobs))
    return tuple(chosen)


def names_left(results: Sequence[Result]) -> list[str]:
    """Return the folders that were not made, as real paths; of what has none, the models."""
    left = (one for one in results if not one.is_there)
    return [os.path.realpath(one.folder) if one.folder else one.model for one in left]

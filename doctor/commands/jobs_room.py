"""Room for the folders of a run: how much memory and disk making them takes, and what is free.

A run goes on with what there is room for, and waits where there is none. What this machine can
never have room for is refused.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sdcoreml.convert.jobs.plan import Job
from sdcoreml.doctor.commands.convert_preflight import goal_of
from sdcoreml.doctor.commands.jobs_batch import Batch
from sdcoreml.doctor.core.estimate import estimate_disk, estimate_memory
from sdcoreml.doctor.core.facts import Memory, ToolchainFacts
from sdcoreml.doctor.core.overall import Scarce, Shortage, wait
from sdcoreml.doctor.gather import machine
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.ground.errors import NoRoomError, SdcoremlError, UnableError
from sdcoreml.ground.events import Emit
from sdcoreml.ground.promises import (
    memory_of_tree,
    promise,
    promised_to_others,
    sole_promiser,
    usual_place,
)
from sdcoreml.ground.quantity import amount

LONGEST_WAITS: Mapping[Scarce, float] = {Scarce.MEMORY: 1800.0, Scarce.DISK: 600.0}
"""The most seconds that a run waits for room; then it tries, and may fail with a diagnosis.

Other programs end, and give memory back; a disk has room only once somebody has noticed.
"""

LONGEST_PAUSE = 10.0
"""The most seconds between two looks."""

_MEMORY, _DISK = "MEM001", "DSK001"
"""The checks that find the same."""


class Meter(Protocol):
    """Tells what this machine has; tests pass their own."""

    def memory(self) -> Memory | None:
        """Return its memory; `None` if it cannot be told."""
        ...

    def disk(self, folder: Path) -> tuple[int, int]:
        """Return the bytes that are free, and all bytes, of the disk that a folder will be on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ThisMachine:
    """This machine, without the memory that other runs have promised themselves."""

    promises: Path = field(default_factory=usual_place)

    def memory(self) -> Memory | None:
        """Return what is free now, less what other runs will still take."""
        found = machine.memory(Probe())
        if not isinstance(found, Memory):
            return None
        taken = promised_to_others(self.promises, memory_of_tree)
        return Memory(
            total=found.total,
            available=max(0, found.available - taken),
            swap_total=found.swap_total,
            swap_free=found.swap_free,
        )

    def disk(self, folder: Path) -> tuple[int, int]:
        """Return the bytes that are free, and all bytes, of the folder's disk."""
        place = folder.absolute()
        there = next(one for one in (place, *place.parents) if one.is_dir())
        usage = shutil.disk_usage(there)
        return usage.free, usage.total


class Room(Protocol):
    """Knows whether there is room for a batch's folders."""

    def find_shortage(self, batch: Batch, jobs: Sequence[Job]) -> Shortage | None:
        """Return what there is too little of now; `None` if there is room."""
        ...

    def refuse(self, batch: Batch, jobs: Sequence[Job]) -> SdcoremlError | None:
        """Return why this machine can never have room; `None` if it can."""
        ...

    def claim(
        self, batch: Batch, jobs: Sequence[Job], held: ExitStack, *, insist: bool = False
    ) -> Shortage | None:
        """Keep other runs from counting on the same memory, until `held` is closed.

        If there is too little just now, that is returned instead, unless we `insist`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundless:
    """Room for everything: nobody looks."""

    def find_shortage(self, batch: Batch, jobs: Sequence[Job]) -> Shortage | None:  # noqa: ARG002
        """Return nothing."""
        return None

    def refuse(self, batch: Batch, jobs: Sequence[Job]) -> SdcoremlError | None:  # noqa: ARG002
        """Return nothing."""
        return None

    def claim(
        self, batch: Batch, jobs: Sequence[Job], held: ExitStack, *, insist: bool = False
    ) -> Shortage | None:
        """Do nothing."""
        del batch, jobs, held, insist
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRoom:
    """Room as the meter finds it, for needs by the toolchain's measured rates."""

    measured: ToolchainFacts
    meter: Meter = field(default_factory=ThisMachine)
    promises: Path = field(default_factory=usual_place)

    def find_shortage(self, batch: Batch, jobs: Sequence[Job]) -> Shortage | None:
        """Return what there is too little of now; what can never fit is nothing to wait for."""
        lack, whole = next(self._lacks(batch, jobs), (None, 0))
        return lack if lack and lack.needed <= whole else None

    def refuse(self, batch: Batch, jobs: Sequence[Job]) -> SdcoremlError | None:
        """Return why this machine can never have room; `None` if it can."""
        for lack, whole in self._lacks(batch, jobs):
            if lack.needed > whole:
                return _refusal(lack, whole, batch)
        return None

    def claim(
        self, batch: Batch, jobs: Sequence[Job], held: ExitStack, *, insist: bool = False
    ) -> Shortage | None:
        """Promise this process the memory that the jobs take; nobody else looks meanwhile."""
        with sole_promiser(self.promises):
            lack = None if insist else self.find_shortage(batch, jobs)
            if lack is None:
                held.enter_context(promise(self._memory(batch, jobs), self.promises))
            return lack

    def _lacks(self, batch: Batch, jobs: Sequence[Job]) -> Iterator[tuple[Shortage, int]]:
        """Yield what there is too little of now, and the bytes that there can be at most."""
        if not jobs or batch.described is None:
            return
        folder, memory = os.fspath(jobs[0].output), self.meter.memory()
        needed = self._memory(batch, jobs)
        if memory and needed > (free := memory.available + memory.swap_free):
            lack = Shortage(scarce=Scarce.MEMORY, folder=folder, needed=needed, free=free)
            yield lack, memory.total + memory.swap_total
        needed = estimate_disk(batch.described, self.measured)
        left, whole = self.meter.disk(jobs[0].output.parent)
        if needed > left:
            lack = Shortage(scarce=Scarce.DISK, folder=folder, needed=needed, free=left)
            yield lack, whole

    def _memory(self, batch: Batch, jobs: Sequence[Job]) -> int:
        if not jobs or batch.described is None:
            return 0
        return estimate_memory(batch.described, goal_of(jobs), self.measured)


def _refusal(lack: Shortage, whole: int, batch: Batch) -> SdcoremlError:
    needed, have = amount(lack.needed), amount(whole)
    if lack.scarce is Scarce.MEMORY:
        what = f"needs about {needed} of memory, and this machine has {have} with swap"
        remedy = "use a machine with more memory, or a half-precision copy of the model"
        error: SdcoremlError = UnableError(what, where=batch.request.given, remedy=remedy)
        error.code = _MEMORY
        return error
    what = f"needs about {needed} of disk, and that of the results has {have} in all"
    remedy = "choose a larger disk with into = 'FOLDER'"
    error = NoRoomError(what, where=batch.request.given, remedy=remedy)
    error.code = _DISK
    return error


def describe_shortage(lack: Shortage) -> str:
    """Return what a run waits for, in words."""
    what, free = lack.scarce.value, amount(lack.free)
    return f"waiting for {amount(lack.needed)} of {what} for {lack.folder}: {free} are free"


@dataclass(slots=True, kw_only=True)
class Patience:
    """How long a run waits for room: `pause` waits some seconds, and what was in vain is learnt.

    Otherwise forty models that are thought too large just now would wait half an hour each.
    """

    emit: Emit
    pause: Callable[[float], None]
    _in_vain: set[Scarce] = field(default_factory=set)

    def is_over(self, scarce: Scarce, waited: float) -> bool:
        """Whether a run has waited long enough, so many seconds."""
        if scarce not in self._in_vain and waited < LONGEST_WAITS[scarce]:
            return False
        self._in_vain.add(scarce)
        return True


def choose_next(
    queue: Sequence[Batch],
    find_shortage: Callable[[Batch], Shortage | None],
    patience: Patience,
) -> Batch:
    """Return the first batch that there is room for; wait while there is none, and say so once.

    Batches that wait for others' folders have their turn when all others are done. After
    `LONGEST_WAITS` the first is returned all the same.
    """
    ready = [batch for batch in queue if batch.after is None] or list(queue)
    return _find_fitting(ready, find_shortage, patience) or ready[0]


@contextmanager
def hold_room(room: Room, batch: Batch, jobs: Sequence[Job], patience: Patience) -> Iterator[None]:
    """Wait for room for a batch's jobs, as `choose_next`, and have it while the block runs."""
    with ExitStack() as held:
        if not _find_fitting([batch], lambda _: room.claim(batch, jobs, held), patience):
            room.claim(batch, jobs, held, insist=True)
        yield


def _find_fitting(
    ready: Sequence[Batch],
    find_shortage: Callable[[Batch], Shortage | None],
    patience: Patience,
) -> Batch | None:
    """Return the first batch that there is room for, or `None` after the longest wait."""
    said, waited, tries = "", 0.0, 0
    while True:
        lacks = []
        for batch in ready:
            lack = find_shortage(batch)
            if lack is None:
                return batch
            lacks.append(lack)
        if patience.is_over(lacks[0].scarce, waited):
            return None
        if said != (about := f"{lacks[0].scarce} {lacks[0].folder}"):
            patience.emit(wait(lacks[0], describe_shortage(lacks[0])))
            said = about
        seconds = min(2.0**tries, LONGEST_PAUSE)
        patience.pause(seconds)
        waited, tries = waited + seconds, tries + 1

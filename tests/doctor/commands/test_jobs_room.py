from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.commands.jobs_batch import Batch, Opener, open_batches
from sdcoreml.doctor.commands.jobs_file import read_job_file
from sdcoreml.doctor.commands.jobs_plan import plan_jobs
from sdcoreml.doctor.commands.jobs_room import (
    Boundless,
    MeasuredRoom,
    Patience,
    ThisMachine,
    choose_next,
    describe_shortage,
    hold_room,
)
from sdcoreml.doctor.core.facts import Memory, Unknown
from sdcoreml.doctor.core.overall import Scarce, Shortage
from sdcoreml.doctor.gather.toolchain import toolchain
from sdcoreml.ground import locks
from sdcoreml.ground.errors import NoRoomError, UnableError
from sdcoreml.ground.events import Event
from tests.doctor.commands.test_inspect import unpacked

GB = 10**9
MEMORY = Memory(total=8 * GB, available=4 * GB, swap_total=GB, swap_free=0)


class Fake:
    """A machine whose memory and disk are said."""

    def __init__(self, memory: Memory | None = MEMORY, disk: tuple[int, int] = (GB, GB)) -> None:
        self.said, self.left = memory, disk
        self.asked: list[Path] = []

    def memory(self) -> Memory | None:
        return self.said

    def disk(self, folder: Path) -> tuple[int, int]:
        self.asked.append(folder)
        return self.left


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    tmp_path = tmp_path_factory.mktemp("shelf")
    unpacked(tmp_path)
    (tmp_path / "jobs.toml").write_text('[[models]]\nmodel = "model"\nsize = "64x64"\n')
    file = read_job_file(tmp_path / "jobs.toml")
    with ExitStack() as stack:
        opener = Opener(into=file.into, run={"toolchain": "tested"}, stack=stack)
        (batch,) = open_batches(file, opener)
    return batch


def room(meter: Fake, memory: float = 2e9, disk: float = 2.0) -> MeasuredRoom:
    """Return room for models that take so much memory, and so often their size of disk."""
    measured = replace(toolchain("tested"), peaks={"base": memory}, disk=disk)
    return MeasuredRoom(measured=measured, meter=meter)


def test_there_is_room_for_what_fits(batch: Batch) -> None:
    meter = Fake()
    roomy = room(meter)
    assert roomy.find_shortage(batch, batch.jobs) is None
    assert roomy.refuse(batch, batch.jobs) is None
    assert set(meter.asked) == {batch.jobs[0].output.parent}


def test_memory_that_others_have_just_now_is_waited_for(batch: Batch) -> None:
    full = room(Fake(), memory=5e9)
    lack = full.find_shortage(batch, batch.jobs)
    folder = os.fspath(batch.jobs[0].output)
    assert lack == Shortage(scarce=Scarce.MEMORY, folder=folder, needed=5 * GB, free=4 * GB)
    said = f"waiting for 5.0 GB of memory for {folder}: 4.0 GB are free"
    assert describe_shortage(lack) == said
    assert full.refuse(batch, batch.jobs) is None
    swapped = room(Fake(replace(MEMORY, swap_free=GB)), memory=5e9)
    assert swapped.find_shortage(batch, batch.jobs) is None


def test_memory_that_this_machine_never_has_is_refused(batch: Batch) -> None:
    small = room(Fake(), memory=9.1e9)
    assert small.find_shortage(batch, batch.jobs) is None, "waiting would not help"
    refusal = small.refuse(batch, batch.jobs)
    assert isinstance(refusal, UnableError)
    assert refusal.code == "MEM001"
    assert refusal.what == "needs about 9.1 GB of memory, and this machine has 9.0 GB with swap"
    assert room(Fake(), memory=9e9).refuse(batch, batch.jobs) is None


def test_a_full_disk_is_waited_for_and_a_small_one_refused(batch: Batch) -> None:
    lack = room(Fake(disk=(1000, GB))).find_shortage(batch, batch.jobs)
    assert lack is not None
    assert (lack.scarce, lack.free) == (Scarce.DISK, 1000)
    refusal = room(Fake(disk=(1000, 2000))).refuse(batch, batch.jobs)
    assert isinstance(refusal, NoRoomError)
    assert refusal.code == "DSK001"
    assert refusal.what.endswith(" of disk, and that of the results has 2 kB in all")
    assert "into = " in refusal.remedy


def test_what_is_not_known_stops_nothing(batch: Batch) -> None:
    assert room(Fake(memory=None), memory=9e12).refuse(batch, batch.jobs) is None
    full = room(Fake(disk=(0, 0)))
    assert full.refuse(batch, ()) is None
    assert full.find_shortage(replace(batch, described=None), batch.jobs) is None


def test_what_never_fits_is_refused_in_the_plan_and_said_once(batch: Batch) -> None:
    known = toolchain("tested")
    refuse = room(Fake(), memory=9.1e9).refuse
    two = replace(batch, jobs=batch.jobs * 2)
    planned = plan_jobs(Path("jobs.toml"), [two], known, refuse=refuse)
    (told,) = planned.folders
    folder = os.fspath(batch.jobs[0].output)
    assert (told.state.value, told.folder, told.code) == ("refused", folder, "MEM001")
    assert (planned.refused, planned.needs.disk) == (1, 0)
    there = plan_jobs(Path("jobs.toml"), [batch], known, lambda _, __: True, refuse)
    assert [one.state.value for one in there.folders] == ["there"]


class Queue:
    """Three batches, some of which there is no room for, and what was said meanwhile."""

    def __init__(self, batch: Batch, lacking: set[str], scarce: Scarce = Scarce.DISK) -> None:
        self.lacking, self.scarce = lacking, scarce
        self.told: list[Event] = []
        self.waits: list[float] = []
        self.patience: Patience | None = None
        self.batches = [
            replace(batch, request=replace(batch.request, given=name)) for name in "abc"
        ]

    def lack(self, batch: Batch) -> Shortage | None:
        name = batch.request.given
        lacks = Shortage(scarce=self.scarce, folder=name, needed=9, free=1)
        return lacks if name in self.lacking else None

    def choose(self, after: int = 10**9) -> str:
        """Return what is chosen; after so many looks there is room for the second one."""

        def pause(seconds: float) -> None:
            self.waits.append(seconds)
            if len(self.waits) == after:
                self.lacking.discard("b")

        self.patience = self.patience or Patience(emit=self.told.append, pause=pause)
        return choose_next(self.batches, self.lack, self.patience).request.given


def test_a_run_goes_on_with_what_there_is_room_for(batch: Batch) -> None:
    queue = Queue(batch, {"a", "b"})
    assert queue.choose() == "c"
    assert (queue.waits, queue.told) == ([], [])


def test_a_run_waits_where_nothing_fits_and_says_so_once(batch: Batch) -> None:
    queue = Queue(batch, {"a", "b", "c"})
    assert queue.choose(after=6) == "b"
    assert queue.waits == [1, 2, 4, 8, 10, 10]
    (told,) = queue.told
    assert (told.kind, told.text) == ("wait", "waiting for 9 bytes of disk for a: 1 bytes are free")
    assert told.data == {"scarce": "disk", "folder": "a", "needed": 9, "free": 1}


@pytest.mark.parametrize(("scarce", "longest"), [(Scarce.MEMORY, 1800), (Scarce.DISK, 600)])
def test_after_its_longest_wait_a_run_tries_all_the_same(
    batch: Batch, scarce: Scarce, longest: float
) -> None:
    queue = Queue(batch, {"a", "b", "c"}, scarce)
    assert queue.choose() == "a"
    assert longest <= sum(queue.waits) < longest + 20
    before = len(queue.waits)
    assert (queue.choose(), len(queue.waits)) == ("a", before), "it does not wait in vain again"


def test_what_waits_for_another_folder_has_its_turn_last(batch: Batch) -> None:
    queue = Queue(batch, {"b"})
    queue.batches[0] = replace(queue.batches[0], after=Path("b"))
    queue.batches.pop()
    assert queue.choose(after=2) == "b"
    assert queue.waits == [1, 2]
    queue.batches.pop()
    assert queue.choose() == "a"


def test_this_machine_has_what_others_have_not_promised_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcoreml.doctor.commands.jobs_room.machine.memory", lambda _: MEMORY)
    monkeypatch.setattr(
        "sdcoreml.doctor.commands.jobs_room.promised_to_others",
        lambda place, _: GB if place == tmp_path else 0,
    )
    found = ThisMachine(promises=tmp_path).memory()
    assert found == replace(MEMORY, available=3 * GB)
    free, whole = ThisMachine(promises=tmp_path).disk(tmp_path / "new" / "folder")
    assert 0 < free <= whole


def test_a_promise_is_kept_while_folders_are_made(batch: Batch, tmp_path: Path) -> None:
    place = tmp_path / "promises"
    roomy = replace(room(Fake(), memory=2e9), promises=place)
    with ExitStack() as held:
        assert roomy.claim(batch, batch.jobs, held) is None
        (path,) = place.iterdir()
        assert path.read_text() == f"{os.getpid()} 2000000000"
    assert list(place.iterdir()) == []


def test_nobody_else_promises_between_a_look_and_a_promise(batch: Batch, tmp_path: Path) -> None:
    place, alone = tmp_path / "promises", list[bool]()

    class Watched(Fake):
        def memory(self) -> Memory | None:
            handle = os.open(place, os.O_RDONLY)
            alone.append(not locks.try_lock(handle))
            os.close(handle)
            return super().memory()

    with ExitStack() as held:
        assert replace(room(Watched()), promises=place).claim(batch, batch.jobs, held) is None
    assert alone == [True]


def test_there_is_no_promise_without_room_unless_a_run_insists(
    batch: Batch, tmp_path: Path
) -> None:
    place = tmp_path / "promises"
    full = replace(room(Fake(), memory=5e9), promises=place)
    with ExitStack() as held:
        lack = full.claim(batch, batch.jobs, held)
        assert lack == full.find_shortage(batch, batch.jobs) is not None
        assert list(place.iterdir()) == []
    patience = Patience(emit=lambda _: None, pause=lambda _: None)
    with hold_room(full, batch, batch.jobs, patience):
        assert len(list(place.iterdir())) == 1, "it has waited long enough"
    assert list(place.iterdir()) == []


def test_without_bounds_there_is_always_room(batch: Batch) -> None:
    boundless = Boundless()
    assert boundless.find_shortage(batch, batch.jobs) is None
    assert boundless.refuse(batch, batch.jobs) is None
    with ExitStack() as held:
        assert boundless.claim(batch, batch.jobs, held) is None


def test_what_fits_exactly_is_no_shortage(batch: Batch) -> None:
    exact = replace(MEMORY, available=2 * GB)
    assert room(Fake(exact), memory=2e9).find_shortage(batch, batch.jobs) is None
    less = replace(exact, available=2 * GB - 1)
    lack = room(Fake(less), memory=2e9).find_shortage(batch, batch.jobs)
    assert lack is not None
    assert (lack.needed, lack.free) == (2 * GB, 2 * GB - 1)
    assert batch.described is not None
    disk = 2 * batch.described.size
    folder = os.fspath(batch.jobs[0].output)
    for left, found in (
        (disk, None),
        (disk - 1, Shortage(scarce=Scarce.DISK, folder=folder, needed=disk, free=disk - 1)),
    ):
        meter = Fake(disk=(left, GB))
        assert room(meter).find_shortage(batch, batch.jobs) == found
    assert room(Fake(disk=(0, disk))).refuse(batch, batch.jobs) is None
    assert room(Fake(disk=(0, disk - 1))).refuse(batch, batch.jobs) is not None


def test_a_refusal_says_what_is_needed_what_there_is_and_what_to_do(batch: Batch) -> None:
    memory = room(Fake(), memory=9.1e9).refuse(batch, batch.jobs)
    assert str(memory) == (
        f"{batch.request.given}: needs about 9.1 GB of memory, and this machine has 9.0 GB with"
        " swap; use a machine with more memory, or a half-precision copy of the model"
    )
    disk = room(Fake(disk=(1000, 2000))).refuse(batch, batch.jobs)
    assert str(disk) == (
        f"{batch.request.given}: needs about 15 MB of disk, and that of the results has 2 kB in"
        " all; choose a larger disk with into = 'FOLDER'"
    )


def test_of_what_is_not_described_nothing_is_promised(batch: Batch, tmp_path: Path) -> None:
    place = tmp_path / "promises"
    roomy = replace(room(Fake(), memory=2e9), promises=place)
    for unknown, jobs in ((replace(batch, described=None), batch.jobs), (batch, ())):
        with ExitStack() as held:
            assert roomy.claim(unknown, jobs, held) is None
            (path,) = place.iterdir()
            assert path.read_text() == f"{os.getpid()} 0"


def test_a_machine_that_does_not_say_has_no_known_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Unknown(reason="it does not say")
    monkeypatch.setattr("sdcoreml.doctor.commands.jobs_room.machine.memory", lambda _: unknown)
    assert ThisMachine(promises=tmp_path).memory() is None

"""A queue's folder: the truth about what waits, which commands, pages and the runner share.

    order.json   the order of the entries, the pause switch, and the number of the next entry
    paused       there if a full disk did not take the switch
    N.json       an entry (`doctor.queue.entry`)
    N.cancelled  there if a full disk did not take that it was cancelled
    N.toml       the job file of a conversion, which `sdcoreml jobs` reads
    N.events     what its command said, as lines of JSON; N.log what it said besides
    runner       locked while there is a runner
    work         locked while a runner's child works, even if the runner was killed

Every file is written aside and renamed, and whoever changes one holds the lock of the folder. So
two writers lose nothing, readers need no lock, and a kill leaves nothing half-done. A damaged file
costs its entry alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.doctor.queue.entries import Entries, mark
from sdcoreml.doctor.queue.entry import Entry, Kind, State, now
from sdcoreml.doctor.queue.lines import Heard, last_progress, read_lines
from sdcoreml.doctor.queue.order import (
    ORDER,
    New,
    Order,
    Queue,
    read_order,
    write_order,
    write_text,
)
from sdcoreml.ground import locks
from sdcoreml.ground.errors import (
    BadInputError,
    BusyError,
    Fault,
    NoSpaceError,
    SdcoremlError,
    UsageError,
)
from sdcoreml.ground.places import user_folder
from sdcoreml.ground.refusals import translate_os_errors

VARIABLE = "SDCOREML_QUEUE"
RUNNER, WORK, PAUSED = "runner", "work", "paused"


@dataclass(slots=True, kw_only=True)
class Store:
    """The queue in `folder`, which is made when something is added."""

    folder: Path
    _files: Entries = field(init=False)

    def __post_init__(self) -> None:
        """Find out which files there are when somebody asks."""
        self._files = Entries(folder=self.folder)

    def read(self) -> Queue:
        """Return what the queue holds now. A run that nobody works at any more waits again."""
        found = self._files.find()
        order, faults = read_order(self.folder)
        ids = [number for number in order.order if number in found]
        ids += sorted(found.keys() - {*ids}, key=int)
        is_running = self.is_running
        entries = [entry for number in ids if (entry := self._files.read(number, found[number]))]
        if not is_running:
            entries = [_at_rest(entry) for entry in entries]
        faults += [
            Fault(where=self.path(one.id, "json"), what=one.because, remedy=one.remedy)
            for one in entries
            if one.is_damaged
        ]
        return Queue(
            entries=tuple(entries),
            is_paused=order.is_paused or os.path.lexists(self.folder / PAUSED),
            is_running=is_running,
            faults=tuple(faults),
        )

    def changed(self) -> str:
        """Return a text that differs when the queue has changed; it costs next to nothing.

        Progress does not change the queue: `follow` tells it.
        """
        moment = order = 0
        # Every change renames a file in the folder; where its time stands still for milliseconds, a
        # file that has taken another's place has another inode.
        with suppress(OSError):
            moment = self.folder.stat().st_mtime_ns
            order = (self.folder / ORDER).stat().st_ino
        names = sorted((name, inode) for name, (inode, _) in self._files.find().items())
        return f"{moment:x}-{order:x}-{hash(tuple(names)):x}-{self.is_running:d}"

    @property
    def is_running(self) -> bool:
        """Whether a runner is at work."""
        return _is_locked(self.folder / RUNNER)

    def add(self, new: New) -> str:
        """Add an entry at the end; return its id.

        Raises:
            NoSpaceError, SdcoremlError: the folder cannot be written; nothing was added.
        """
        with self.changing():
            order, _ = read_order(self.folder)
            number = str(max([order.next, *(int(name) + 1 for name in self._files.find())]))
            if new.job is not None:
                import tomlkit

                write_text(self.path(number, "toml"), tomlkit.dumps(dict(new.job)))
            entry = Entry(id=number, kind=new.kind, title=new.title, words=new.words)
            entry = replace(entry, place=new.place, about=new.about, added=now())
            ids = [*self._ids(order), number]
            write_order(self.folder, replace(order, order=tuple(ids), next=int(number) + 1))
            self.write(entry)
        return number

    def move(self, number: str, before: str | None) -> None:
        """Move an entry before another one; to the end without one."""
        with self.changing():
            order, faults = read_order(self.folder)
            for fault in faults:
                raise BadInputError(fault.what, where=fault.where, remedy=fault.remedy)
            queue = self.read()
            queue.find(number)
            if before is not None:
                queue.find(before)
            if number == before:
                return
            ids = [entry.id for entry in queue.entries if entry.id != number]
            ids.insert(len(ids) if before is None else ids.index(before), number)
            write_order(self.folder, replace(order, order=tuple(ids)))

    def cancel(self, *numbers: str) -> None:
        """Do not do entries; one that is being done the runner ends, and what is half-made goes.

        Raises:
            UsageError: there is no such entry, or it is over. None was changed.
        """

        def cancel(entry: Entry) -> Entry:
            if entry.state.is_over:
                raise UsageError(f"entry {entry.id} is {entry.state.value} already")
            is_idle = entry.state is State.WAITING
            return replace(entry, state=State.CANCELLED, ended=now() if is_idle else None)

        with self.changing():
            for entry in self._each(numbers, cancel):
                self._files.write_cancelled(entry)

    def retry(self, *numbers: str) -> None:
        """Do entries again that are over, each at its place in the order."""

        def wait(entry: Entry) -> Entry:
            if not entry.state.is_over:
                raise UsageError(f"entry {entry.id} is {entry.state.value}")
            return entry.anew()

        with self.changing():
            for entry in self._each(numbers, wait):
                self.write(entry)

    def remove(self, *numbers: str) -> None:
        """Forget entries; what they have made stays. This needs no room on the disk.

        Raises:
            BusyError: one is being done. None was changed.
        """
        is_running = self.is_running

        def let_go(entry: Entry) -> Entry:
            if is_running and (entry.state is State.RUNNING or entry.is_ending):
                raise BusyError(
                    "is being worked at",
                    where=f"entry {entry.id}",
                    remedy=f"end it first: `sdcoreml queue cancel {entry.id}`",
                )
            return entry

        with self.changing():
            gone = self._each(numbers, let_go, with_damaged=True)
            self._files.remove(*(entry.id for entry in gone))
            with suppress(NoSpaceError):  # an order may name what is not there any more
                self._keep(read_order(self.folder)[0])

    def pause(self) -> None:
        """Do nothing more; what is being done is ended, and waits again at its place."""
        with self.changing():
            order, _ = read_order(self.folder)
            try:
                self._keep(replace(order, is_paused=True))
            except NoSpaceError:
                there = (self.folder / name for name in (ORDER, RUNNER, WORK))
                if not mark(self.folder / PAUSED, *there):
                    raise

    def resume(self) -> None:
        """Go on. An order that cannot be read is made anew."""
        with self.changing():
            order, _ = read_order(self.folder)
            if order.is_paused or not os.path.lexists(self.folder / PAUSED):
                self._keep(replace(order, is_paused=False, is_unreadable=False))
            with translate_os_errors(self.folder):
                (self.folder / PAUSED).unlink(missing_ok=True)

    def follow(self, number: str, offset: int = 0) -> Heard:
        """Return the lines that an entry's command has printed since `offset`: events as JSON."""
        return read_lines(self.path(number, "events"), offset)

    def follow_log(self, number: str, offset: int = 0) -> Heard:
        """Return the lines that it has said besides, on stderr."""
        return read_lines(self.path(number, "log"), offset)

    def progress(self, number: str) -> Mapping[str, object] | None:
        """Return the last `progress` event of an entry; `None` before there is one."""
        return last_progress(self.path(number, "events"))

    def path(self, number: str, ending: str) -> Path:
        """Return the path of one of an entry's files."""
        return self._files.path(number, ending)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other writers out while the block changes something; it makes the folder."""
        try:
            with translate_os_errors(self.folder):
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except BadInputError as error:
            if not (os.path.lexists(self.folder) and not self.folder.is_dir()):
                raise
            remedy = f"move it away, or say where with {VARIABLE}=/a/folder"
            what = "stands where the queue's folder is to be"
            raise BadInputError(what, where=self.folder, remedy=remedy) from error
        # The folder itself is locked, so that a full disk keeps nobody from trying.
        with locks.hold_folder(self.folder):
            yield

    def update(self, number: str, change: Callable[[Entry], Entry]) -> Entry | None:
        """Change an entry as it is now; return it, or `None` if it is gone or cannot be read."""
        with self.changing():
            found = self._files.find()
            if number not in found:
                return None
            entry = self._files.read(number, found[number])
            if entry is None or entry.is_damaged:
                return None
            changed = change(entry)
            if changed != entry:
                self.write(changed)
            return changed

    def write(self, entry: Entry) -> None:
        """Write an entry's file; the caller is `changing`."""
        self._files.write(entry)

    def _each(
        self,
        numbers: Collection[str],
        change: Callable[[Entry], Entry],
        *,
        with_damaged: bool = False,
    ) -> list[Entry]:
        """Return entries changed, but not written; raise an error unless all can be changed."""
        queue, changed, errors = self.read(), list[Entry](), list[SdcoremlError]()
        for number in dict.fromkeys(numbers):
            with _kept_in(errors):
                entry = queue.find(number)
                if entry.is_damaged and not with_damaged:
                    path = self.path(number, "json")
                    raise BadInputError(entry.because, where=path, remedy=entry.remedy)
                changed.append(change(entry))
        if len(errors) == len(numbers) == 1:
            raise errors[0]
        if errors:
            told = (f"{one.where}: {one.what}".removeprefix(": ") for one in errors)
            remedy = f"nothing was changed; {errors[0].remedy}".removesuffix("; ")
            raise type(errors[0])("; ".join(told), remedy=remedy)
        return changed

    def _keep(self, order: Order) -> None:
        write_order(self.folder, replace(order, order=tuple(self._ids(order))))

    def _ids(self, order: Order) -> list[str]:
        found = self._files.find()
        known = [number for number in order.order if number in found]
        return [*known, *sorted(found.keys() - {*known}, key=int)]


def open_queue(folder: Path | None = None) -> Store:
    """Return the queue in a folder; the user's own without one."""
    return Store(folder=folder or queue_folder())


def queue_folder() -> Path:
    """Return `$SDCOREML_QUEUE`, else `queue` in the folder of the user's state of this tool.

    Raises:
        UsageError: the home folder is unknown.
    """
    return user_folder(VARIABLE, "state", "queue")


def command_of(entry: Entry, folder: Path) -> Sequence[str]:
    """Return the words of an entry's command, without the program."""
    match entry.kind:
        case Kind.CONVERT if entry.words[:1] != ("jobs",):
            return ("jobs", os.fspath(folder / f"{entry.id}.toml"), "--json", *entry.words)
        case Kind.CONVERT | Kind.DRAW:
            return (*entry.words, "--json")
        case Kind.FIX:
            return entry.words


def _at_rest(entry: Entry) -> Entry:
    """Return an entry as it is without a runner."""
    if entry.state is State.RUNNING:
        return replace(entry, state=State.WAITING, begun=None)
    return replace(entry, ended=entry.begun) if entry.is_ending else entry


@contextmanager
def _kept_in(errors: list[SdcoremlError]) -> Iterator[None]:
    """Collect an error of the block, instead of ending with it."""
    try:
        yield
    except SdcoremlError as error:
        errors.append(error)


def _is_locked(path: Path) -> bool:
    """Whether another open file holds the lock of a file; it is taken and let go for an instant."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not locks.try_share(handle)
    finally:
        os.close(handle)

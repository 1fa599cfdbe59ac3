"""A queue's folder: the truth about what waits, which commands, pages and the runner share.

    order.json   the order of the entries, the pause switch, and the number of the next entry
    N.json       an entry (`doctor.queue.entry`)
    N.toml       the job file of a conversion, which `sdcoreml jobs` reads
    N.events     what its command said, as lines of JSON; N.log what it said besides
    runner       locked while there is a runner
    work         locked while a runner's child works, even if the runner was killed

Every file is written aside and renamed, and whoever changes one holds the lock of the folder. So
two writers lose nothing, readers need no lock, and a kill leaves nothing half-done. A damaged file
costs its entry alone.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.doctor.queue.entry import (
    Entry,
    Kind,
    State,
    as_text,
    damaged,
    from_content,
    now,
)
from sdcoreml.doctor.queue.lines import Heard, last_progress, read_lines, write_private
from sdcoreml.ground import locks
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, BusyError, Fault, SdcoremlError, UsageError
from sdcoreml.ground.files import Document
from sdcoreml.ground.places import expand_home
from sdcoreml.ground.refusals import translate_os_errors

VARIABLE = "SDCOREML_QUEUE"
ORDER, RUNNER, WORK = "order.json", "runner", "work"
_ENTRY = re.compile(r"([1-9][0-9]{0,8})\.json")
_BELONGINGS = ("toml", "events", "log", "json")
"""The files of an entry, by their endings; the one that makes it an entry goes last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order of the entries by their ids, as far as it is known, and the pause switch."""

    schema: int = 1
    order: tuple[str, ...] = ()
    is_paused: bool = False
    next: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What a queue holds at one moment, in order. `faults` are those of its files."""

    entries: tuple[Entry, ...] = ()
    is_paused: bool = False
    is_running: bool = False
    faults: tuple[Fault, ...] = ()

    def find(self, number: str) -> Entry:
        """Return an entry by its id; raise `UsageError` if there is none."""
        for entry in self.entries:
            if entry.id == number:
                return entry
        known = ", ".join(entry.id for entry in self.entries) or "none"
        raise UsageError(f"no entry {number} in the queue", remedy=f"there are: {known}")


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """An entry to add; `job` is the content of a job file, with absolute paths.

    The other fields are those of an `Entry`.
    """

    kind: Kind
    title: str
    words: tuple[str, ...] = ()
    job: Mapping[str, object] | None = None
    place: str = ""
    about: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Store:
    """The queue in `folder`, which is made when something is added."""

    folder: Path
    _kept: dict[str, tuple[tuple[int, int], Entry]] = field(default_factory=dict)

    def read(self) -> Queue:
        """Return what the queue holds now. A run that nobody works at any more waits again."""
        found = self._find()
        order, faults = self._order()
        ids = [number for number in order.order if number in found]
        ids += sorted(found.keys() - {*ids}, key=int)
        is_running = self.is_running
        entries = [entry for number in ids if (entry := self._entry(number, found[number]))]
        if not is_running:
            entries = [_at_rest(entry) for entry in entries]
        faults += [
            Fault(where=self.path(one.id, "json"), what=one.because, remedy=one.remedy)
            for one in entries
            if one.is_damaged
        ]
        return Queue(
            entries=tuple(entries),
            is_paused=order.is_paused,
            is_running=is_running,
            faults=tuple(faults),
        )

    def changed(self) -> str:
        """Return a text that differs when the queue has changed; it costs next to nothing.

        Progress does not change the queue: `follow` tells it.
        """
        moment = 0
        with suppress(OSError):
            moment = self.folder.stat().st_mtime_ns  # every change renames a file in it
        names = sorted((name, inode) for name, (inode, _) in self._find().items())
        return f"{moment:x}-{hash(tuple(names)):x}-{self.is_running:d}"

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
            order, _ = self._order()
            number = str(max([order.next, *(int(name) + 1 for name in self._find())]))
            if new.job is not None:
                import tomlkit

                self._write(self.path(number, "toml"), tomlkit.dumps(dict(new.job)))
            entry = Entry(
                id=number,
                kind=new.kind,
                title=new.title,
                words=new.words,
                place=new.place,
                about=new.about,
                added=now(),
            )
            ids = [*self._ids(order), number]
            self._write_order(replace(order, order=tuple(ids), next=int(number) + 1))
            self.write(entry)
        return number

    def move(self, number: str, before: str | None) -> None:
        """Move an entry before another one; to the end without one."""
        with self.changing():
            queue = self.read()
            queue.find(number)
            if before is not None:
                queue.find(before)
            if number == before:
                return
            ids = [entry.id for entry in queue.entries if entry.id != number]
            ids.insert(len(ids) if before is None else ids.index(before), number)
            self._write_order(replace(self._order()[0], order=tuple(ids)))

    def cancel(self, number: str) -> None:
        """Do not do an entry; if it is being done, the runner ends it, and what is half-made goes.

        Raises:
            UsageError: there is no such entry, or it is over.
        """

        def cancel(entry: Entry) -> Entry:
            if entry.state.is_over:
                raise UsageError(f"entry {number} is {entry.state.value} already")
            is_idle = entry.state is State.WAITING
            return replace(entry, state=State.CANCELLED, ended=now() if is_idle else None)

        self._change(number, cancel)

    def retry(self, number: str) -> None:
        """Do an entry again that is over, at its place in the order."""

        def wait(entry: Entry) -> Entry:
            if not entry.state.is_over:
                raise UsageError(f"entry {number} is {entry.state.value}")
            return entry.anew()

        self._change(number, wait)

    def remove(self, number: str) -> None:
        """Forget an entry; what it has made stays.

        Raises:
            BusyError: it is being done.
        """
        with self.changing():
            queue = self.read()
            entry = queue.find(number)
            if queue.is_running and (entry.state is State.RUNNING or entry.is_ending):
                raise BusyError(
                    "is being worked at",
                    where=f"entry {number}",
                    remedy=f"end it first: `sdcoreml queue cancel {number}`",
                )
            ids = tuple(one.id for one in queue.entries if one.id != number)
            self._write_order(replace(self._order()[0], order=ids))
            with translate_os_errors(self.folder):
                for ending in _BELONGINGS:
                    self.path(number, ending).unlink(missing_ok=True)

    def pause(self) -> None:
        """Do nothing more; what is being done is ended, and waits again at its place."""
        self._switch(is_paused=True)

    def resume(self) -> None:
        """Go on."""
        self._switch(is_paused=False)

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
        return self.folder / f"{number}.{ending}"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other writers out while the block changes something; it makes the folder."""
        with translate_os_errors(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The folder itself is locked, so that a full disk keeps nobody from trying.
        with locks.hold_folder(self.folder):
            yield

    def update(self, number: str, change: Callable[[Entry], Entry]) -> Entry | None:
        """Change an entry as it is now; return it, or `None` if it is gone or cannot be read."""
        with self.changing():
            found = self._find()
            if number not in found:
                return None
            entry = self._entry(number, found[number])
            if entry is None or entry.is_damaged:
                return None
            changed = change(entry)
            if changed != entry:
                self.write(changed)
            return changed

    def write(self, entry: Entry) -> None:
        """Write an entry's file; the caller is `changing`."""
        self._write(self.path(entry.id, "json"), as_text(entry))

    def _change(self, number: str, change: Callable[[Entry], Entry]) -> None:
        with self.changing():
            entry = self.read().find(number)
            if entry.is_damaged:
                raise BadInputError(
                    entry.because, where=self.path(number, "json"), remedy=entry.remedy
                )
            self.write(change(entry))

    def _switch(self, *, is_paused: bool) -> None:
        with self.changing():
            order, _ = self._order()
            ids = tuple(self._ids(order))
            self._write_order(replace(order, order=ids, is_paused=is_paused))

    def _ids(self, order: Order) -> list[str]:
        found = self._find()
        known = [number for number in order.order if number in found]
        return [*known, *sorted(found.keys() - {*known}, key=int)]

    def _find(self) -> dict[str, tuple[int, int]]:
        """Return the ids of all entries, each with the inode and change time of its file."""
        found = {}
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder) as files:
            for one in files:
                if match := _ENTRY.fullmatch(one.name):
                    with suppress(FileNotFoundError):
                        told = one.stat(follow_symlinks=False)
                        found[match[1]] = (told.st_ino, told.st_mtime_ns)
        return found

    def _entry(self, number: str, stamp: tuple[int, int]) -> Entry | None:
        """Return an entry; `None` if its file has gone meanwhile."""
        kept = self._kept.get(number)
        if kept and kept[0] == stamp:
            return kept[1]
        path = self.path(number, "json")
        try:
            entry = from_content(number, read_object(path, Document.RECORD))
        except (BadInputError, DecodeError) as error:
            if not os.path.lexists(path):
                return None
            what = error.what if isinstance(error, SdcoremlError) else str(error)
            entry = damaged(number, f"its file cannot be read: {what}")
        self._kept[number] = (stamp, entry)
        return entry

    def _order(self) -> tuple[Order, list[Fault]]:
        """Return the order; if its file is damaged, that of their numbers, and the fault."""
        path = self.folder / ORDER
        if not os.path.lexists(path):
            return Order(), []
        try:
            content = read_object(path, Document.RECORD)
            known = {name: content[name] for name in Order.__slots__ if name in content}
            return from_plain(Order, known), []
        except (BadInputError, DecodeError) as error:
            what = error.what if isinstance(error, SdcoremlError) else str(error)
            lost = "the order of the queue is lost; entries are done by their numbers"
            return Order(), [Fault(where=path, what=what, remedy=lost)]

    def _write_order(self, order: Order) -> None:
        self._write(self.folder / ORDER, json.dumps(to_plain(order)) + "\n")

    def _write(self, path: Path, text: str) -> None:
        with translate_os_errors(path):
            write_private(path, text.encode("utf-8", "surrogateescape"))


def open_queue(folder: Path | None = None) -> Store:
    """Return the queue in a folder; the user's own without one."""
    return Store(folder=folder or queue_folder())


def queue_folder() -> Path:
    """Return `$SDCOREML_QUEUE`, else `queue` in the folder of the user's state of this tool.

    Raises:
        UsageError: the home folder is unknown.
    """
    if named := os.environ.get(VARIABLE):
        return expand_home(named).absolute()
    from platformdirs import user_state_dir

    found = user_state_dir("sdcoreml", appauthor=False)
    if found.startswith("~"):
        raise UsageError(
            "no home folder is known for this user", remedy=f"say where with {VARIABLE}=/a/folder"
        )
    return Path(found) / "queue"


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

"""How far all folders of a run are, in bytes: what bars and lines of progress are made from.

Whoever makes folders tells which ones (`expect`), which of them are being made now (`begin`), and
what became of each (`end`). How far the making is comes from the events of the work itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.events import Event
from sdcoreml.ground.labour import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A folder that a run is to make.

    Attributes:
        folder: the folder.
        model: the model, as it was given.
        bytes: the approximate size of its programs.
    """

    folder: str
    model: str
    bytes: int


class Scarce(Enum):
    """What a run waits for."""

    MEMORY = "memory"
    DISK = "disk"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """What a run waits for before it goes on, and how much of it.

    Attributes:
        scarce: what is waited for; process stands for another run that makes the same.
        folder: the folder that waits.
        needed: the bytes that are needed; 0 for a process.
        free: the bytes that are free; 0 for a process.
    """

    scarce: Scarce
    folder: str
    needed: int = 0
    free: int = 0


def expect(folders: Iterable[Expected]) -> Event:
    """Return the event that says which folders will be made; later ones may be added."""
    return Event(kind="folders", data=to_plain(tuple(folders)))


def begin(folders: Sequence[str], title: str = "") -> Event:
    """Return the event that says which folders are being made, together, under which title."""
    return Event(kind="begin", text=title, data=list(folders))


def wait(shortage: Shortage, text: str) -> Event:
    """Return the event that says what a run waits for; `text` says it in words."""
    return Event(kind="wait", text=text, data=to_plain(shortage))


def end(folder: str, outcome: object, *, was_there: bool = False) -> Event:
    """Return the event that says what became of a folder; `outcome` are JSON values."""
    return Event(kind="end", text=folder, data={"outcome": outcome, "was_there": was_there})


@dataclass(slots=True, kw_only=True)
class Making:
    """Folders that are being made together: since when, and how far their work is."""

    title: str
    folders: tuple[str, ...]
    begun: float
    forecast: Forecast | None = None

    @property
    def fraction(self) -> float:
        """The part of the work that is done, from 0 to 1, as far as it is known."""
        return self.forecast.fraction if self.forecast else 0.0


class Overall:
    """How far all folders are, from the events of a run.

    A folder that has ended counts as a whole, whatever became of it. The time that is left follows
    from what this run has made, not from what was there.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._sizes: dict[str, int] = {}
        self._ended: set[str] = set()
        self._made: set[str] = set()
        self._busy, self._since = 0.0, 0.0
        self.makings: list[Making] = []

    def hear(self, event: Event) -> None:
        """Take one event; those that say nothing about folders or work change nothing."""
        match event.kind:
            case "folders":
                for one in from_plain(tuple[Expected, ...], event.data, "folders"):
                    self._sizes[one.folder] = one.bytes
            case "begin" if isinstance(event.data, list):
                self._begin(tuple(event.data), event.text)
            case "end" if isinstance(event.data, dict):
                self._end(event.text, was_there=bool(event.data.get("was_there")))
            case "plan" if self.makings:
                self.makings[-1].forecast = Forecast.of(event, self._clock())
            case "labour" if self.makings and (forecast := self.makings[-1].forecast):
                forecast.advance(event, self._clock())
            case _:
                pass

    def _begin(self, folders: tuple[str, ...], title: str) -> None:
        # What failed together is tried again one by one, without having ended; and what had ended
        # counts anew if it is begun once more.
        self._ended -= {*folders}
        self._made -= {*folders}
        self.makings = [one for one in self.makings if not {*one.folders} & {*folders}]
        if not self.makings:
            self._since = self._clock()
        self.makings.append(Making(title=title, folders=folders, begun=self._clock()))

    def _end(self, folder: str, *, was_there: bool) -> None:
        if folder in self._ended:
            return
        self._ended.add(folder)
        if not was_there:
            self._made.add(folder)
        left = [one for one in self.makings if not {*one.folders} <= self._ended]
        if self.makings and not left:
            self._busy += self._clock() - self._since
        self.makings = left

    @property
    def folders(self) -> int:
        """How many folders there are."""
        return len(self._sizes)

    @property
    def ended(self) -> int:
        """How many of them have ended."""
        return len(self._ended & self._sizes.keys())

    @property
    def total(self) -> int:
        """The bytes of all folders."""
        return sum(self._sizes.values())

    @property
    def done(self) -> int:
        """The bytes that are done."""
        ended = sum(self._sizes.get(one, 0) for one in self._ended)
        return ended + sum(done for _, done, _ in self.running())

    @property
    def elapsed(self) -> float:
        """The seconds since the run began."""
        return self._clock() - self._began

    def running(self) -> Iterator[tuple[str, int, int]]:
        """Yield the folders that are being made, with the bytes that are done, and all of them."""
        for making in self.makings:
            yield from self.share(making)

    def share(self, making: Making) -> Iterator[tuple[str, int, int]]:
        """Yield the folders that are made together and have not ended, as `running`."""
        for folder in making.folders:
            if folder not in self._ended:
                size = self._sizes.get(folder, 0)
                yield folder, int(size * making.fraction), size

    def left(self) -> float | None:
        """Return the seconds that the rest will take; `None` while too little is done to say."""
        now = self._clock()
        running = list(self.running())
        rest = self.total - self.done
        only = self.makings[0].forecast if len(self.makings) == 1 else None
        known = only.left(now) if only else None
        waiting = rest - sum(size - done for _, done, size in running)
        if known is not None and waiting <= 0:
            return known
        finished = sum(self._sizes.get(one, 0) for one in self._made)
        made = finished + sum(done for _, done, _ in running)
        busy = self._busy + (now - self._since if self.makings else 0.0)
        if not made or (only is not None and known is None and not finished):
            return None
        if known is None:
            return busy * rest / made
        return known + busy * waiting / made

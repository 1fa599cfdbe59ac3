"""How far an installer is, told by what grows on disk: what it prints is made for people.

Looking costs time as well, so the pauses between two looks grow with what the last one cost: it is
never more than a fiftieth of one core.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.events import Emit, Event, silent

_SHORTEST = 0.3
"""Seconds between two looks, at least."""
_SHARE = 50
_DEPTH = 2
"""Caches file what they bring this many folders deep; what was there before is not looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A folder in which something will grow, and the paths that were in it before."""

    folder: Path
    before: frozenset[str] = frozenset()


def ground(folder: Path) -> Ground:
    """A folder as it is now; it need not exist."""
    return Ground(folder=folder, before=frozenset(_names(os.fspath(folder), _DEPTH)))


def grown(ground: Ground) -> int:
    """The bytes of all files in a folder, those excepted that were there before."""
    return _size(os.fspath(ground.folder), ground.before)


@contextmanager
def watched(grounds: Iterable[Ground], total: int, emit: Emit) -> Iterator[None]:
    """While the block runs, tell the bytes grown so far, of `total`; it never goes back."""
    if emit is silent:
        yield
        return
    over = threading.Event()
    places = tuple(grounds)

    def look() -> None:
        pause, most = _SHORTEST, 0
        while not over.wait(pause):
            began = time.thread_time()
            most = min(total, max(most, sum(grown(place) for place in places)))
            pause = max(_SHORTEST, _SHARE * (time.thread_time() - began))
            emit(Event(kind="progress", done=most, total=total, unit="B"))

    watcher = threading.Thread(target=look, name="growth", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _names(folder: str, depth: int) -> Iterator[str]:
    """The paths in a folder, so many levels deep; none when it cannot be read."""
    with suppress(OSError), os.scandir(folder) as found:
        for item in found:
            yield item.path
            if depth > 1 and item.is_dir(follow_symlinks=False):
                yield from _names(item.path, depth - 1)


def _size(folder: str, before: frozenset[str]) -> int:
    total, pending = 0, [folder]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as found:  # it may just be renamed
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    if item.path not in before or _leads_on(item.path, folder):
                        pending.append(item.path)
                elif item.path not in before:
                    with suppress(OSError):
                        total += item.stat(follow_symlinks=False).st_size
    return total


def _leads_on(path: str, folder: str) -> bool:
    """Whether something new may lie right inside a folder that was there before."""
    return path.count(os.sep) - folder.count(os.sep) < _DEPTH

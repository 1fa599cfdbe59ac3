"""What became of an entry, from what its command said and how it ended."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sdcoreml.doctor.queue.entry import Entry, State, now
from sdcoreml.doctor.queue.lines import event_of
from sdcoreml.ground.errors import ExitCode

TRIES = 3
"""How often an entry is begun, if a process of its work dies, as when memory runs out."""

_ERROR = "error: "
_THERE = ("done", "reused")
_KEPT = 20


@dataclass(slots=True, kw_only=True)
class Listener:
    """Keeps what counts of the lines of a command: its last event, and the end of its log."""

    results: Sequence[Mapping[str, object]] = ()
    last: list[str] = field(default_factory=list)

    def hear_event(self, line: bytes) -> None:
        """Hear a line of stdout."""
        event = event_of(line)
        results = event.get("results")
        if event.get("event") == "table" and isinstance(results, list):
            self.results = [one for one in results if isinstance(one, dict)]

    def hear_log(self, line: bytes) -> None:
        """Hear a line of stderr."""
        text = line.decode(errors="replace").strip()
        if text:
            self.last = [*self.last[-_KEPT:], text]


def finish(entry: Entry, code: int, heard: Listener) -> Entry:
    """Return an entry whose command has ended by itself, or was ended from outside."""
    folders = tuple(
        str(one["folder"])
        for one in heard.results
        if one.get("state") in _THERE and "folder" in one
    )
    over = replace(entry, ended=now(), exit_code=code, folders=folders)
    if code == 0:
        return replace(over, state=State.DONE)
    failed = [one for one in heard.results if one.get("state") not in _THERE]
    has_lost = code == ExitCode.CHILD_DIED or any(
        one.get("exit_code") == ExitCode.CHILD_DIED for one in failed
    )
    if code < 0:
        return _begin_again(over) or _ended_from_outside(over, code)
    if has_lost and (again := _begin_again(over)):
        return again
    if failed:
        return _as_told(over, failed)
    said = [line.removeprefix(_ERROR) for line in heard.last if line.startswith(_ERROR)]
    because = (said or heard.last or [f"ended with exit code {code}"])[-1]
    return replace(over, state=State.FAILED, because=because)


def stop(entry: Entry) -> Entry:
    """Return an entry whose command was ended since nobody wants it now."""
    match entry.state:
        case State.RUNNING:  # the queue is paused, or the runner was told to end
            return replace(entry, state=State.WAITING, begun=None)
        case State.CANCELLED:
            return replace(entry, ended=now())
        case _:
            return entry


def _as_told(entry: Entry, failed: Sequence[Mapping[str, object]]) -> Entry:
    first, more = failed[0], len(failed) - 1
    told = {name: str(first.get(name) or "") for name in ("because", "code", "explanation")}
    if more:
        told["because"] += f" (and {more} more)"
    return replace(
        entry,
        state=State.FAILED,
        because=told["because"],
        code=told["code"],
        explanation=told["explanation"],
    )


def _begin_again(entry: Entry) -> Entry | None:
    """Return the entry to be begun again, `None` if that has happened often enough.

    A process that died may have been ended from outside; what it had finished is found again.
    """
    tries = entry.tries + 1
    return replace(entry.anew(), tries=tries) if tries < TRIES else None


def _ended_from_outside(entry: Entry, code: int) -> Entry:
    name = f"signal {-code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
    return replace(
        entry,
        tries=TRIES,
        state=State.FAILED,
        because=f"its process was ended from outside {TRIES} times ({name}), as it happens when"
        " memory runs out",
        remedy=f"close other programs, then `sdcoreml queue retry {entry.id}`",
    )

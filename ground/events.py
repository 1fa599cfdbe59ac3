"""Events that long tasks emit, such as steps and progress.

A task takes an `Emit` and calls it; the command line draws progress from it, a child process writes
it as JSON lines (`to_json`), and the parent reads them back (`from_json`). Floor 2 holds it because
`envs` is the lowest floor with something to tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["step", "progress", "note", "warning", "result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    `step` opens a named step; `progress` says how far it is (`done` of `total`, in `unit`, which
    is "B" for bytes); `note` and `warning` are a sentence each; `result` carries `data`, the step's
    JSON-able outcome.
    """

    kind: Kind
    text: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    data: object = None


Emit: TypeAlias = Callable[[Event], None]


def silent(event: Event) -> None:
    """An `Emit` for callers who do not listen."""


def to_json(event: Event) -> str:
    """One line of JSON, default fields left out."""
    blank = asdict(Event(kind=event.kind))
    fields = {
        key: value
        for key, value in asdict(event).items()
        if key == "kind" or value is not blank[key]
    }
    return json.dumps(fields, separators=(",", ":"))


def from_json(line: str) -> Event:
    """The event that `to_json` wrote. Raises `ValueError` for anything else."""
    fields = json.loads(line)
    if not isinstance(fields, dict) or "kind" not in fields:
        raise ValueError(f"not an event: {line[:80]!r}")
    try:
        return Event(**fields)
    except TypeError:
        raise ValueError(f"not a field of an event: {line[:80]!r}") from None

"""Events that long tasks emit, such as steps and progress.

A task calls the `Emit` that it was given. The command line draws progress from the events; a child
process writes them as JSON lines (`to_json`), which its parent reads back (`from_json`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "step",
    "progress",
    "plan",
    "labour",
    "note",
    "warning",
    "result",
    "folders",
    "begin",
    "wait",
    "end",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a running task.

    `kind` is one of: `step`, which begins a named step; `progress`, which says how far the step is
    (`done` of `total`, in `unit`, "B" for bytes); `plan` and `labour`, how much work of all
    steps there is and is done (see `ground.labour`); `note` and `warning`, a sentence each;
    `result`, with the step's outcome in `data`, which can be written as JSON; `folders`, `begin`,
    `wait` and `end`, which say how the folders of a run come along (see `doctor.core.overall`).
    """

    kind: Kind
    text: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    data: object = None


Emit: TypeAlias = Callable[[Event], None]


def silent(event: Event) -> None:
    """Discard the event: an `Emit` for callers that show no progress."""


def to_json(event: Event) -> str:
    """Return the event as one line of JSON, without fields that have their default."""
    blank = asdict(Event(kind=event.kind))
    fields = {
        key: value
        for key, value in asdict(event).items()
        if key == "kind" or value is not blank[key]
    }
    return json.dumps(fields, separators=(",", ":"))


def from_json(line: str) -> Event:
    """Read an event from the line that `to_json` wrote; raise `ValueError` for any other line."""
    fields = json.loads(line)
    if not isinstance(fields, dict) or "kind" not in fields:
        raise ValueError(f"not an event: {line[:80]!r}")
    try:
        return Event(**fields)
    except TypeError:
        raise ValueError(f"not a field of an event: {line[:80]!r}") from None

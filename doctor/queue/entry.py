"""What waits in a queue: its entries as values, and how each is written to a file of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timezone
from enum import Enum

from sdcoreml.ground.codec import DecodeError, from_plain, shown, to_plain

SCHEMA = 1
"""The version of the files. It rises when a field changes its meaning or goes."""


class Kind(Enum):
    """What an entry does."""

    CONVERT = "convert"
    """Makes the folders of a job file, by `sdcoreml jobs`."""
    DRAW = "draw"
    FIX = "fix"
    """Runs one of our commands that mends what the doctor found."""


class State(Enum):
    """How far an entry is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more is done for it, unless somebody asks for it again."""
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing to do.

    `words` are its command without the program: `draw FOLDER ...`; for a conversion with a job file
    of the queue's own, options of `jobs` alone. It runs in the folder `place`. `about` is whatever
    its adder wants to know of it. `tries` counts how often its process was ended from outside.
    `code` is the id of the doctor's check that finds the same fault.
    An entry whose file `is_damaged` has failed, and can only be removed.
    """

    id: str = ""
    kind: Kind
    title: str
    words: tuple[str, ...] = ()
    place: str = ""
    state: State = State.WAITING
    added: datetime | None = None
    begun: datetime | None = None
    ended: datetime | None = None
    tries: int = 0
    exit_code: int | None = None
    because: str = ""
    remedy: str = ""
    code: str = ""
    explanation: str = ""
    folders: tuple[str, ...] = ()
    about: Mapping[str, object] = field(default_factory=dict)
    unknown: Mapping[str, object] = field(default_factory=dict)
    """Fields that another version of this tool has written; they stay."""
    is_damaged: bool = False

    @property
    def is_ending(self) -> bool:
        """Whether it was cancelled, but its process has not ended yet, if there is a runner."""
        return self.state is State.CANCELLED and self.begun is not None and self.ended is None

    def anew(self) -> Entry:
        """Return the same entry as if nothing had been done for it yet."""
        return replace(
            Entry(kind=self.kind, title=self.title),
            **{
                name: getattr(self, name)
                for name in ("id", "words", "place", "added", "about", "unknown")
            },
        )


_NOT_WRITTEN = frozenset({"id", "unknown", "is_damaged"})
_ALWAYS = frozenset({"kind", "title", "state"})
_WRITTEN = tuple(one.name for one in fields(Entry) if one.name not in _NOT_WRITTEN)


def now() -> datetime:
    """Return the present time, as entries record it."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def as_text(entry: Entry) -> str:
    """Return the content of an entry's file; what is as in a new entry is left out."""
    blank = Entry(kind=entry.kind, title="")
    values = {name: getattr(entry, name) for name in _WRITTEN}
    known = {
        name: to_plain(value)
        for name, value in values.items()
        if name in _ALWAYS or value != getattr(blank, name)
    }
    return json.dumps({"schema": SCHEMA, **known, **entry.unknown}, indent=1) + "\n"


def from_content(number: str, content: Mapping[str, object]) -> Entry:
    """Read an entry from the content of its file; unknown fields are kept as they are.

    Raises:
        DecodeError: a field is missing or of the wrong type, or the version is a newer one.
    """
    require_schema(content, SCHEMA)
    known = {name: content[name] for name in _WRITTEN if name in content}
    unknown = {name: value for name, value in content.items() if name not in {*_WRITTEN, "schema"}}
    return replace(from_plain(Entry, known), id=number, unknown=unknown)


def require_schema(content: Mapping[str, object], newest: int) -> None:
    """Refuse the content of a file that is of no version known here.

    Raises:
        DecodeError: it is of a newer one, or says none.
    """
    schema = content.get("schema")
    if type(schema) is int and schema > newest:
        raise DecodeError("a newer version of sdcoreml wrote it")
    if type(schema) is not int or schema < 1:
        raise DecodeError(f"schema: {newest} is expected, not {shown(schema)}")


def damaged(number: str, because: str) -> Entry:
    """Return an entry that stands for a file which cannot be read."""
    return Entry(
        id=number,
        kind=Kind.FIX,
        title=f"entry {number}",
        state=State.FAILED,
        because=because,
        remedy=f"remove it: `sdcoreml queue remove {number}`",
        is_damaged=True,
    )

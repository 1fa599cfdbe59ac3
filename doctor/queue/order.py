"""What a queue holds as values, and the small file with the order of its entries."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from sdcoreml.doctor.queue.entry import Entry, Kind, require_schema
from sdcoreml.doctor.queue.lines import write_private
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, Fault, NoSpaceError, SdcoremlError, UsageError
from sdcoreml.ground.files import Document
from sdcoreml.ground.refusals import translate_os_errors

SCHEMA = 1
"""The version of the file. It rises when a field changes its meaning or goes."""

ORDER = "order.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order of the entries by their ids, as far as it is known, and the pause switch.

    One that `is_unreadable` counts as paused: whoever has paused the queue relies on that.
    """

    order: tuple[str, ...] = ()
    is_paused: bool = False
    next: int = 1
    unknown: Mapping[str, object] = field(default_factory=dict)
    """Fields that another version of this tool has written; they stay."""
    is_unreadable: bool = False


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


_WRITTEN = tuple(one.name for one in fields(Order) if one.name not in ("unknown", "is_unreadable"))


def read_order(folder: Path) -> tuple[Order, list[Fault]]:
    """Return the order in a folder; if its file is damaged or a newer one, that and the fault."""
    path = folder / ORDER
    if not os.path.lexists(path):
        return Order(), []
    try:
        return _from_content(read_object(path, Document.RECORD)), []
    except (BadInputError, DecodeError) as error:
        what = error.what if isinstance(error, SdcoremlError) else str(error)
        remedy = "until `sdcoreml queue resume`, the queue is paused, and ordered by number"
        return Order(is_paused=True, is_unreadable=True), [
            Fault(where=path, what=what, remedy=remedy)
        ]


def write_order(folder: Path, order: Order) -> None:
    """Write the order; the caller has locked the folder. One that is unreadable is left alone.

    Raises:
        SdcoremlError: the file cannot be written; it is as it was.
    """
    if not order.is_unreadable:
        known = {name: to_plain(getattr(order, name)) for name in _WRITTEN}
        content = {"schema": SCHEMA, **known, **order.unknown}
        write_text(folder / ORDER, json.dumps(content) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a small file of a queue.

    Raises:
        SdcoremlError: it cannot be written; it is as it was.
    """
    try:
        with translate_os_errors(path):
            write_private(path, text.encode("utf-8", "surrogateescape"))
    except NoSpaceError as error:
        remedy = "make room there and try again (nothing was changed)"
        raise NoSpaceError(error.what, where=path, remedy=remedy) from error


def _from_content(content: Mapping[str, object]) -> Order:
    require_schema(content, SCHEMA)
    known = {name: content[name] for name in _WRITTEN if name in content}
    unknown = {name: value for name, value in content.items() if name not in {*_WRITTEN, "schema"}}
    return replace(from_plain(Order, known), unknown=unknown)

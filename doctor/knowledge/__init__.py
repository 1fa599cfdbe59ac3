"""What has gone wrong for others: 141 failures as data, and nothing but data.

An entry of the TOML files beside this:

    id        a name that stays
    role      cause; consequence (something earlier is to blame); harmless (never to blame)
    pattern   a Python regular expression, searched for in the whole log, `^` and `$` at lines
    example   a line as it really appeared; the pattern must match it (a test sees to that)
    when      optional: version ranges, all of which must hold, by project, `python` or `macos`
    last      optional, true: means something only as the last line of a log
    cause     why it happens, in a sentence
    fix       what to do about it
    checks    ids of the checks that find it before it happens
    seen      where it was reported

Those of clashes.toml are combinations of versions that are a fault by themselves, log or no log;
they have a file of their own so that every run of the doctor can afford to read them. Of several
entries that match the same line the first wins: special ones stand before general ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from sdcoreml.lockfiles.table import TomlTable, read_table

CLASHES = "clashes"
FILES = (
    CLASHES,
    "xcode",
    "native",
    "python",
    "pins",
    "git",
    "weights",
    "layout",
    "hub",
    "resources",
    "tracing",
    "coreml",
    "runtime",
)
_FOLDER = Path(__file__).parent
_FIELDS = frozenset(
    ("id", "role", "pattern", "example", "when", "last", "cause", "fix", "checks", "seen")
)


class Role(Enum):
    """The role of a line in a log."""

    CAUSE = "cause"
    CONSEQUENCE = "consequence"
    HARMLESS = "harmless"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure that is known; the fields are described above."""

    id: str
    topic: str
    role: Role
    pattern: str
    example: str
    when: Mapping[str, str]
    last: bool
    cause: str
    fix: str
    checks: tuple[str, ...]
    seen: tuple[str, ...]


@cache
def entries() -> tuple[Failure, ...]:
    """All entries, in order. Raises `LockfileError` that names every fault of a damaged file."""
    return tuple(entry for topic in FILES for entry in of_topic(topic))


@cache
def of_topic(topic: str) -> tuple[Failure, ...]:
    """The entries of one of `FILES`."""
    return read(_FOLDER / f"{topic}.toml")


def read(path: Path) -> tuple[Failure, ...]:
    """The entries of one file."""
    table = read_table(path)
    found = tuple(_entry(row, path.stem) for row in table.tables("entry"))
    table.finish()
    return found


def _entry(table: TomlTable, topic: str) -> Failure:
    strange = sorted(set(table.values) - _FIELDS)
    table.faults.extend(f"{table.place}{name} is not a field of an entry" for name in strange)
    role = table.get("role", str)
    if role not in {one.value for one in Role}:
        table.faults.append(f"{table.place}role {role!r} is none of cause, consequence, harmless")
        role = Role.CAUSE.value
    return Failure(
        id=table.get("id", str),
        topic=topic,
        role=Role(role),
        pattern=table.get("pattern", str),
        example=table.get("example", str),
        when=table.table("when").mapping(),
        last=table.values.get("last") is True,
        cause=table.get("cause", str),
        fix=table.get("fix", str),
        checks=table.strings("checks"),
        seen=table.strings("seen"),
    )

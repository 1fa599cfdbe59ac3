"""Known failures of other people's conversions: 141 entries of data.

Each entry in the TOML files of this folder has:

    id        a stable name
    role      cause; consequence (of an earlier cause); harmless (never the cause)
    pattern   a Python regular expression, searched for in the whole log, with re.MULTILINE
    example   a real line of a log that the pattern matches (a test checks that)
    when      optional: version ranges by project, `python` or `macos`, all of which must hold
    last      optional, true: counts only as the last line of a log
    cause     why it happens, in a sentence
    fix       what to do about it
    checks    ids of the checks that find it before it happens
    seen      where it was reported

The entries of clashes.toml are combinations of versions that fail even without a log to match; they
have their own file so that every run of the doctor can read them quickly. If several entries match
the same line, the first is taken, so specific entries come before general ones.
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
    """The meaning of a log line that matches an entry."""

    CAUSE = "cause"
    CONSEQUENCE = "consequence"
    HARMLESS = "harmless"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One known failure; see the module's description for its fields."""

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
    """Return all entries, in order; raise a `LockfileError` with every fault of a damaged file."""
    return tuple(entry for topic in FILES for entry in of_topic(topic))


@cache
def of_topic(topic: str) -> tuple[Failure, ...]:
    """Return the entries of one topic (a key of `FILES`)."""
    return read(_FOLDER / f"{topic}.toml")


def read(path: Path) -> tuple[Failure, ...]:
    """Read the entries of one file."""
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

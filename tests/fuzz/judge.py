"""Decides what counts as a fault in the result of a command."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import Enum

from sdcoreml.ground.errors import ExitCode
from tests.fuzz.observe import ESCAPED, Observation
from tests.fuzz.reader import FINE

SECONDS = 5.0
MEMORY = 512 << 20


class Kind(Enum):
    """The kinds of fault, in the order of the table's columns."""

    TRACEBACK = "traceback"
    CODE = "code"
    LINES = "lines"
    SLOW = "slow"
    MEMORY = "memory"
    LEFT = "left"
    CHANGED = "changed"


def faults(seen: Observation, made: Collection[str]) -> Iterator[tuple[Kind, str]]:
    """Yield each fault of a run with a description; a successful run may leave the paths `made`."""
    if seen.code in {ExitCode.BUG, ESCAPED} or "Traceback (most" in seen.err:
        yield Kind.TRACEBACK, last_line(seen.log or seen.err)
    elif seen.code not in FINE:
        what = "hung" if seen.hung else f"exit code {seen.code}"
        yield Kind.CODE, f"{what}: {last_line(seen.err)}"
    else:
        yield from _lines(seen)
    if seen.orphans:
        yield Kind.CODE, "a child runs on"
    if seen.seconds > SECONDS or seen.hung:
        yield Kind.SLOW, f"{seen.seconds:.1f} s of CPU, {seen.wall:.1f} s"
    if seen.memory > MEMORY:
        yield Kind.MEMORY, f"{seen.memory >> 20} MB"
    allowed = tuple(made) if seen.code in {ExitCode.FINE, ExitCode.PROBLEMS} else ()
    left = [
        name
        for name in seen.left
        if not _is_in(name, (*allowed, *_KEPT)) and not _ALSO_KEPT.match(name)
    ]
    if left:
        yield Kind.LEFT, ", ".join(left[:5])
    if changed := [
        name
        for name in seen.changed
        if not _is_in(name, allowed) and not (seen.code == 0 and _RENEWED.fullmatch(name))
    ]:
        yield Kind.CHANGED, ", ".join(changed[:5])


_KEPT = ("home/.cache", "envs/.lock")
"""What every command may leave: the user's caches, and the lock of the environments."""
_ALSO_KEPT = re.compile(r"temporary/sdcoreml-bug-.*|envs/\.upstream-\w+\.lock")
"""Logs of bugs, and the locks of the upstream converter's copies."""
_RENEWED = re.compile(r"envs/\w+/sealed/record\.json")
"""The record, whose time says when every byte was found right: `env verify --full` sets it."""


def _lines(seen: Observation) -> Iterator[tuple[Kind, str]]:
    """Yield a fault unless a failing command says something, with one short error line."""
    said = [line for line in seen.err.splitlines() if line.startswith("error:")]
    if len(said) > 1:
        yield Kind.LINES, f"{len(said)} errors: {said[0]}"
    if seen.code not in {ExitCode.FINE, ExitCode.PROBLEMS} and not (said or seen.out):
        yield Kind.LINES, f"exit code {int(seen.code)} without a word"
    if any(len(line) > 2000 for line in said):
        yield Kind.LINES, f"an error of {max(map(len, said))} characters: {said[0][:100]}"
    if "\x1b" in seen.err + seen.out:
        yield Kind.LINES, "escape codes"


def _is_in(name: str, places: Collection[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def last_line(text: str) -> str:
    """Return the last non-blank line of a traceback, followed by the place that raised it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File ") and "/tests/" not in line]
    place = places[-1].rpartition("/")[2].replace('", line ', ":") if places else ""
    return f"{lines[-1][:300] if lines else 'silence'}{f' [{place}]' if place else ''}"

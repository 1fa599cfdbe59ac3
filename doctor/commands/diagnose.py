"""`sdcoreml diagnose`: explains the log of a failed run, the innermost cause first."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.doctor.core.facts import EnvironmentFacts, System
from sdcoreml.doctor.knowledge import Role, entries
from sdcoreml.doctor.knowledge.diagnosis import Match, diagnose, find_innermost
from sdcoreml.doctor.report.layout import wrap
from sdcoreml.ground.advice import spell
from sdcoreml.ground.files import LARGEST, Document, decode_leniently, read_leniently
from sdcoreml.ground.places import expand_home

NOTHING_KNOWN = 3
_QUOTED = 280
"""The most characters to show of one line of the log."""


_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/")
"""The folders of the names that a shell gives for `<(command)`: pipes, and meant to be read."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("log", nargs="?", default="-", help="a file, or - for standard input")
    parser.add_argument("--json", action="store_true", help="write JSON")
    add_toolchain(parser)
    parser.add_argument(
        "--anywhere",
        action="store_true",
        help="the log is from another machine: do not compare with the versions here",
    )


def run(args: argparse.Namespace) -> int:
    """Print the known failures in a log; return 1 for a cause, 0 if harmless, 3 if unknown."""
    log = _read(args.log)
    matches = diagnose(log, entries(), {} if args.anywhere else versions_here(args.toolchain))
    if args.json:
        json.dump(
            {"schema": 1, "matches": [as_object(match) for match in matches]}, sys.stdout, indent=2
        )
        print()
    else:
        print("\n".join(page(matches, log)))
    if any(match.entry.role is not Role.HARMLESS for match in matches):
        return 1
    return 0 if matches and find_innermost(log) is None else NOTHING_KNOWN


def _read(name: str) -> str:
    if name == "-":
        if sys.stdin.isatty():
            print("paste the log, then end it with Ctrl-D on a line of its own", file=sys.stderr)
        return decode_leniently(sys.stdin.buffer.read(LARGEST[Document.LOG]))
    descriptor = name.rpartition("/")[2]
    if name.startswith(_DESCRIPTORS) and descriptor.isdecimal():
        with suppress(OSError), os.fdopen(int(descriptor), "rb") as stream:
            return decode_leniently(stream.read(LARGEST[Document.LOG]))
    remedy = "give the log's path or - for stdin"
    return read_leniently(expand_home(name), Document.LOG, remedy=remedy)


def versions_here(toolchain: str = "tested") -> Mapping[str, str]:
    """Return the versions of macOS, if this is a Mac, and in the environment, if one is built."""
    from sdcoreml.doctor.gather import Request, gather
    from sdcoreml.doctor.gather.probe import Probe

    facts = gather(Request(toolchain=toolchain, groups=("system", "environment")), Probe()).facts
    versions: dict[str, str] = {}
    if isinstance(facts.environment, EnvironmentFacts):
        versions |= {**facts.environment.installed, "python": facts.environment.python}
    if isinstance(facts.system, System) and facts.system.name == "macOS":
        versions["macos"] = facts.system.version
    return versions


def as_object(match: Match) -> dict[str, object]:
    """Convert a match to plain values for JSON."""
    entry = match.entry
    return {
        "id": entry.id,
        "role": entry.role.value,
        "line": match.line,
        "text": match.text,
        "cause": entry.cause,
        "fix": spell(entry.fix),
        "checks": list(entry.checks),
        "captured": dict(match.captured),
        "doubt": match.doubt,
        "seen": list(entry.seen),
    }


def page(matches: Sequence[Match], log: str = "") -> Iterator[str]:
    """Yield the page as lines of text: each cause in full, harmless lines in one line each.

    If no cause is known, the page shows the log's innermost exception, as a term to search for.
    """
    told = [match for match in matches if match.entry.role is not Role.HARMLESS]
    for number, match in enumerate(told):
        title = "cause" if not number and not match.doubt else "also"
        yield from _block(title if match.entry.role is Role.CAUSE else "follows", match)
    for match in matches:
        if match.entry.role is Role.HARMLESS:
            text = f"line {match.line}: {match.entry.id}: {match.entry.cause}"
            yield from wrap("harmless ", text)
    found = None if told else find_innermost(log)
    if found is not None:
        yield from wrap("unknown  ", "no failure that is known; what went wrong first is")
        yield from _quote(*found)
    elif not matches:
        yield "unknown  no failure that is known, and no traceback"


def _block(title: str, match: Match) -> Iterator[str]:
    yield from wrap(f"{title:<9}", match.entry.cause)
    yield from _quote(match.line, match.text)
    yield from wrap("do       ", match.entry.fix)
    if match.doubt:
        yield from wrap("but      ", match.doubt)
    about = ", ".join(match.entry.checks)
    yield from wrap(
        "         ", f"{match.entry.id}" + (f"; seen in time by {about}" if about else "")
    )
    yield ""


def _quote(number: int, text: str) -> list[str]:
    """Quote a line of the log; a long one loses its middle, since names are often at the end."""
    if len(text) > _QUOTED:
        text = f"{text[: _QUOTED // 2]} ... {text[-_QUOTED // 2 :]}"
    return wrap("         ", f"line {number}: {text}")

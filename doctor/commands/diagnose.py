"""`sdcoreml diagnose`: what a log of a failed run says, the innermost cause first."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from doctor.diagnosis import Match, diagnose
from doctor.facts import Environment, System
from doctor.knowledge import Role, entries
from doctor.report.layout import WIDTH

HELP = "say what a log of a failed run means"
NOTHING_KNOWN = 3


class UnreadableLogError(Exception):
    """The log cannot be read."""

    exit_code: ClassVar[int] = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("log", nargs="?", default="-", help="a file, or - for standard input")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument(
        "--anywhere",
        action="store_true",
        help="the log is from another machine: do not compare with the versions here",
    )


def run(args: argparse.Namespace) -> int:
    """Print what is known: 1 with a cause, 0 with harmless lines alone, 3 with nothing."""
    matches = diagnose(_read(args.log), entries(), {} if args.anywhere else versions_here())
    if args.json:
        json.dump(
            {"schema": 1, "matches": [as_object(match) for match in matches]}, sys.stdout, indent=2
        )
        print()
    else:
        print("\n".join(page(matches)))
    if not matches:
        return NOTHING_KNOWN
    return int(any(match.entry.role is not Role.HARMLESS for match in matches))


def _read(name: str) -> str:
    if name == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        return Path(name).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise UnreadableLogError(
            f"{name}: {error.strerror}; give the log's path or - for stdin"
        ) from None


def versions_here() -> Mapping[str, str]:
    """Versions in the built environment and of macOS; nothing when there is none."""
    from doctor.gather import Request, gather
    from doctor.probe import Probe

    facts = gather(Request(groups=("system", "environment")), Probe()).facts
    versions: dict[str, str] = {}
    if isinstance(facts.environment, Environment):
        versions |= {**facts.environment.installed, "python": facts.environment.python}
    if isinstance(facts.system, System) and facts.system.name == "macOS":
        versions["macos"] = facts.system.version
    return versions


def as_object(match: Match) -> dict[str, object]:
    """A match as plain values."""
    entry = match.entry
    return {
        "id": entry.id,
        "role": entry.role.value,
        "line": match.line,
        "text": match.text,
        "cause": entry.cause,
        "fix": entry.fix,
        "checks": list(entry.checks),
        "captured": dict(match.captured),
        "doubt": match.doubt,
        "seen": list(entry.seen),
    }


def page(matches: Sequence[Match]) -> Iterator[str]:
    """What people read: each cause in full, harmless lines in one each."""
    told = [match for match in matches if match.entry.role is not Role.HARMLESS]
    for number, match in enumerate(told):
        title = "cause" if not number and not match.doubt else "also"
        yield from _block(title if match.entry.role is Role.CAUSE else "follows", match)
    for match in matches:
        if match.entry.role is Role.HARMLESS:
            yield from _wrapped(
                "harmless", f"line {match.line}: {match.entry.id}: {match.entry.cause}"
            )
    if not matches:
        yield "nothing in this log is known; the last lines of its traceback are the place to look"


def _block(title: str, match: Match) -> Iterator[str]:
    yield from _wrapped(title, f"{match.entry.cause}")
    yield f"{'':<9}line {match.line}: {match.text}"[:WIDTH]
    yield from _wrapped("do", match.entry.fix)
    if match.doubt:
        yield from _wrapped("but", match.doubt)
    about = ", ".join(match.entry.checks)
    yield from _wrapped("", f"{match.entry.id}" + (f"; seen in time by {about}" if about else ""))
    yield ""


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{label:<9}",
        subsequent_indent=" " * 9,
        break_long_words=False,
        break_on_hyphens=False,
    )

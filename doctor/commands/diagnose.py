"""`sdcoreml diagnose`: explains the logs of failed runs, the likeliest cause first."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.doctor.core.facts import EnvironmentFacts, System
from sdcoreml.doctor.knowledge import Confidence, Role, entries
from sdcoreml.doctor.knowledge.deciding import Telling
from sdcoreml.doctor.knowledge.diagnosis import Diagnosis, examine
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.mentioned import is_of_elsewhere
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.searching import compile_pattern
from sdcoreml.doctor.knowledge.unfolding import Gap
from sdcoreml.doctor.report.layout import wrap
from sdcoreml.ground.advice import spell
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import LARGEST, Document, decode_leniently, open_regular
from sdcoreml.ground.places import environments_folder, expand_home

NOTHING_KNOWN = 3
_QUOTED = 280
"""The most characters to show of one line of the log."""
_BEGIN = 40
"""So many of them are of its begin, which says what kind of line it is."""


_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/")
"""The folders of the names that a shell gives for `<(command)`: pipes, and meant to be read."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "logs", nargs="*", default=["-"], metavar="log", help="files, or - for standard input"
    )
    parser.add_argument("--json", action="store_true", help="write JSON")
    add_toolchain(parser)
    parser.add_argument(
        "--anywhere",
        action="store_true",
        help="the log is from another machine: do not compare with the versions here",
    )


def run(args: argparse.Namespace) -> int:
    """Print what the logs tell; return 1 for a cause, 0 if all is harmless, 3 if it is unknown."""
    texts = {name: _read(name) for name in args.logs}
    versions = {} if args.anywhere else versions_here(args.toolchain)
    folder = str(environments_folder())
    found = {
        name: examine(
            one.text, entries(), {} if is_of_elsewhere(one.text, folder) else versions, one.gap
        )
        for name, one in texts.items()
    }
    if args.json:
        told = [{"log": name, **as_object(one)} for name, one in found.items()]
        content = {"schema": 1, "logs": told} if len(told) > 1 else {"schema": 1, **told[0]}
        json.dump(content, sys.stdout, indent=2)
        print()
    else:
        for name, one in found.items():
            if len(found) > 1:
                print(f"{name}:")
            print("\n".join(page(one)))
    return max(map(_code, found.values()), key=_WORST.index)


_WORST = (0, NOTHING_KNOWN, 1)
"""The exit codes; that of several logs is the last of those that one of them has."""


def _code(found: Diagnosis) -> int:
    if any(match.role is not Role.HARMLESS for match in found.matches):
        return 1
    return 0 if found.matches and not found.structure.is_failure else NOTHING_KNOWN


def _read(name: str) -> Ends:
    read = _read_any(name)
    _require_text(name, read.text)
    if read.is_endless:
        said = f"note: {name} is longer than {_MOST >> 30} GiB; what is behind that was not read"
        print(said, file=sys.stderr)
    return read


def _read_any(name: str) -> Ends:
    if name == "-":
        if sys.stdin.isatty():
            print("paste the log, then end it with Ctrl-D on a line of its own", file=sys.stderr)
        return read_ends(sys.stdin.buffer)
    descriptor = name.rpartition("/")[2]
    if name.startswith(_DESCRIPTORS) and descriptor.isdecimal():
        with suppress(OSError), os.fdopen(int(descriptor), "rb") as stream:
            return read_ends(stream)
    with open_regular(expand_home(name), remedy=_REMEDY) as stream:
        return read_ends(stream)


_PIECE = 1 << 20
_MOST = 4 << 30
"""So many bytes of a log are read at most: what writes more may never end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A log's text, the gap in it, and whether it goes on behind the most that is read."""

    text: str
    gap: Gap | None = None
    is_endless: bool = False


def read_ends(stream: BinaryIO, most: int = LARGEST[Document.LOG], longest: int = _MOST) -> Ends:
    """Return a log's text; of one of more than `most` bytes, half of that from either end.

    Nothing is read behind about `longest` bytes, which take their place as the log's end.
    """
    head = stream.read(most // 2)
    pieces = deque[bytes]()
    size, skipped, before, total = 0, 0, head, len(head)
    while total < longest and (piece := stream.read(min(_PIECE, most // 2))):
        pieces.append(piece)
        size += len(piece)
        total += len(piece)
        while size - len(pieces[0]) >= most // 2:
            old = pieces.popleft()
            size -= len(old)
            skipped += _count_ends(old, before)
            before = old
    tail = b"".join(pieces)
    if before is head:
        return Ends(text=decode_leniently(head + tail), is_endless=total >= longest)
    if before.endswith(b"\r") and tail.startswith(b"\n"):
        tail = tail[1:]
    begin = decode_leniently(head)
    # An empty line keeps apart what does not follow on one another.
    ends = min(skipped, 2)
    return Ends(
        text=begin + "\n" * ends + decode_leniently(tail),
        gap=Gap(after=begin.count("\n") + ends, lines=skipped - ends),
        is_endless=total >= longest,
    )


def _count_ends(data: bytes, before: bytes) -> int:
    """Return how many lines end in data that follows `before`."""
    split = before.endswith(b"\r") and data.startswith(b"\n")
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") - split


_REMEDY = "give the log's path or - for stdin"
_HEAD = 4096
_GARBLED = 0.3


def _require_text(name: str, text: str) -> None:
    """Raise `BadInputError` if much of the beginning is no text."""
    head = text[:_HEAD]
    strange = sum(one == "\ufffd" or (one < " " and one not in "\t\n\r\b\x1b") for one in head)
    if strange > _GARBLED * len(head):
        raise BadInputError("not a text", where=name, remedy=_REMEDY)


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


def as_object(found: Diagnosis) -> dict[str, object]:
    """Convert what a log tells to plain values for JSON.

    `decisive` is the line that decides, or null; `others` tell as much; `exceptions` are those of
    its chain.
    """
    deciding = found.deciding
    return {
        "decisive": {**_line(deciding.line), "telling": deciding.telling.value}
        if deciding
        else None,
        "others": [_line(line) for line in deciding.others] if deciding else [],
        "exceptions": [
            {"line": one.line.number, "text": one.line.text, "relation": one.relation.value}
            for one in _chain(found)
        ],
        "matches": [_match(match) for match in found.matches],
    }


def _line(line: Line) -> dict[str, object]:
    return {"line": line.number, "text": line.text}


def _match(match: Match) -> dict[str, object]:
    entry = match.entry
    return {
        "id": entry.id,
        "role": match.role.value,
        "confidence": match.confidence.value,
        "line": match.line,
        "text": match.text,
        "cause": match.cause,
        "fix": spell(match.fix),
        "checks": list(entry.checks),
        "captured": dict(match.captured),
        "doubt": match.doubt,
        "seen": list(entry.seen),
    }


def _chain(found: Diagnosis) -> Sequence[Raised]:
    """Return the exceptions that belong to the line that decides."""
    place = found.structure.place(found.decisive.number) if found.decisive else None
    return found.structure.chains[place[0]] if place else ()


def page(found: Diagnosis) -> Iterator[str]:
    """Yield the page as lines of text: each cause in full, harmless lines in one line each.

    A notice is told in full, too, if the log tells of no failure: then it is what is asked about.
    The line that tells most of the failure is always there, as a term to search for.
    """
    told = [match for match in found.matches if match.role is not Role.HARMLESS]
    for number, match in enumerate(told):
        yield from _block(_title(match, is_first=not number), match)
    harmless = [match for match in found.matches if match.role is Role.HARMLESS]
    asked = None if told else next((one for one in harmless if one.entry.notice), None)
    if asked:
        yield from _block("notice", asked)
    for match in (one for one in harmless if one is not asked):
        said = match.cause if match.entry.role is Role.HARMLESS else _NOT_HERE
        yield from wrap("harmless ", f"line {match.line}: {match.entry.id}: {said}")
    yield from _tell_lines(found, told, asked)


_NOT_HERE = "A warning or notice of which the log tells no failure."
"""What is said of a line that may be a cause, but of nothing here."""


def _tell_lines(found: Diagnosis, told: Sequence[Match], asked: Match | None) -> Iterator[str]:
    """Yield the lines that decide, without those that the causes or the notice have quoted."""
    deciding = found.deciding
    if deciding is None:
        yield "unknown  no failure that is known, and no line that tells of one"
        return
    chain = _chain(found)
    ended = chain[-1].line if len(chain) > 1 and not told else None
    quoted = {match.line for match in (*told, *([asked] if asked else []))}
    lines = [
        one
        for one in (deciding.line, *deciding.others)
        if one.number not in quoted and one != ended
    ]
    if not told and found.matches and deciding.telling is Telling.LAST:
        said = "no line tells of a failure" + ("; the last words are" if lines else "")
        yield from wrap("last     ", said)
    elif not told:
        yield from wrap("unknown  ", f"no failure that is known; {_HEADERS[deciding.telling]}")
    elif deciding.line in lines:
        yield from wrap("error    ", "the line that itself tells most of a failure is")
    elif lines:
        yield from wrap("error    ", "what else tells of the failure is")
    for line in lines:
        yield from _quote(line.number, line.text)
    if ended:
        yield from wrap("         ", "and it ended with")
        yield from _quote(ended.number, ended.text)


_HEADERS = {
    Telling.CAUSE: "the line that tells most is",
    Telling.EXCEPTION: "what went wrong first is",
    Telling.ERROR: "the line that tells most is",
    Telling.PERHAPS: "the line that tells most is",
    Telling.LAST: "no line tells of one; the last words are",
    Telling.CUT: "the log ends in a traceback, before the line that says why; its last line is",
}


def _title(match: Match, *, is_first: bool) -> str:
    if match.role is not Role.CAUSE:
        return "follows"
    if not is_first or match.doubt:
        return "also"
    return "perhaps" if match.confidence is Confidence.GUESS else "cause"


def _block(title: str, match: Match) -> Iterator[str]:
    yield from wrap(f"{title:<9}", match.cause)
    yield from _quote(match.line, match.text, compile_pattern(match.entry.pattern))
    yield from wrap("do       ", match.fix)
    if match.doubt:
        yield from wrap("but      ", match.doubt)
    about = ", ".join(match.entry.checks)
    sure = f"{match.entry.id} ({match.confidence.value})"
    yield from wrap("         ", sure + (f"; seen in time by {about}" if about else ""))
    yield ""


def _quote(number: int, text: str, words: re.Pattern[str] | None = None) -> list[str]:
    """Quote a line of the log; of a long one its begin, and the part that `words` are found in.

    Without such words, or where they are most of it, it loses its middle, since names are often at
    the end.
    """
    return wrap("         ", f"line {number}: {_shorten(text, words and words.search(text))}")


def _shorten(text: str, found: re.Match[str] | None) -> str:
    if len(text) <= _QUOTED:
        return text
    start, end = found.span() if found else (0, len(text))
    room = _QUOTED - _BEGIN - (end - start)
    if room <= 0 or start < _BEGIN:
        return f"{text[: _QUOTED // 2]} ... {text[-_QUOTED // 2 :]}"
    start, end = max(_BEGIN, start - room // 2), min(len(text), end + room // 2)
    return f"{text[:_BEGIN]} ... {text[start:end]}{' ...' if end < len(text) else ''}"

"""Finds the line that says why behind one that only says that something failed.

Tools announce a failure in one line and give its reason in another: in a block below, or in what
they printed before. Each kind of such lines is a `Heading`; the first that a line has is its kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.wordings import IS_ERROR, weigh


class Where(Enum):
    """Where the reason stands, seen from the heading."""

    NEXT = "in the next line that is not empty"
    BLOCK = "in the lines below that are indented deeper"
    BELOW = "in any line below"
    ABOVE = "in any line above"
    AROUND = "in a line above or, where none there tells anything, below"
    BEFORE = "in the paragraph above the heading's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A kind of lines that only announce a failure, and where its reason stands.

    `reasons` are what the line of the reason looks like, the best first; where they are not given,
    the reason is the line that tells most of an error. `tells` is whether such a line says
    something itself, so that it is the reason of others.
    """

    says: str
    where: Where
    reasons: tuple[str, ...] = ()
    tells: bool = False


_CONDA = (
    r"^[\s\u2500-\u257f]*-? ?.*(?:\bbut none of the providers\b|\bnothing provides\b"
    r"|\bdoes not exist\b|\bconflicts? with\b|\bis missing on the system\b"
    r"|\bis not installable because\b)"
)
HEADINGS = (
    # Reports and notebooks
    Heading(
        says=r"^#{1,4} |\*\*Exception Type:\*\*",
        where=Where.BELOW,
        reasons=(r"\*\*Exception Message",),
    ),
    Heading(
        says=r"(?i)\berror (?:occurred|running|executing|while|when|in|during)\b[^:]*:$"
        r"|\bthe following (?:\w+ )?(?:error|reason|problem)s?:$|\w: [{(\[]$|^\W*ERROR\W*$"
        r"|\bFailed to import .* because of the$|^following error \(look up .*:$"
        r"|\bPip subprocess error:$"
        r"|(?i:\berror\b|\bfailed\b).*: Using Python \d[\d.]* environment at:? \S+$"
        r"|\bError\(s\) in loading state_dict for \w+:$",
        where=Where.NEXT,
    ),
    Heading(
        says=r"^Prompt outputs failed validation|\bFailed to validate prompt for output\b",
        where=Where.BELOW,
        reasons=(r"^\s*- (?:Value not in list|Value \S+ (?:smaller|bigger))", r"^\s*- [A-Z]"),
    ),
    # Python packages whose exception says only that another failed
    Heading(
        says=r"\bmultiarray failed to import\b",
        where=Where.ABOVE,
        reasons=(r"\bmodule (?:that was )?compiled (?:against|using)\b",),
    ),
    Heading(
        says=r"\bWeights only load failed\b",
        where=Where.BELOW,
        reasons=(r"\bWeightsUnpickler error: ",),
    ),
    Heading(
        says=r"\bCaught an unknown exception!",
        where=Where.ABOVE,
        reasons=(r"\bunrecognized selector\b",),
    ),
    # pip, uv and conda
    Heading(
        says=r"\(from versions: (?:none)?\)",
        where=Where.ABOVE,
        tells=True,
        reasons=(
            r"\bafter connection broken by\b",
            r"^Could not fetch URL\b",
            r"\bis not a trusted or secure host\b|\bseems invalid, please provide a scheme\b",
        ),
    ),
    Heading(
        says=r"^ERROR: Ignored the following versions that require a different python\b"
        r"|\bCould not find a version that satisfies the requirement\b",
        where=Where.ABOVE,
        tells=True,
        reasons=(r"^\s*Please use pip<",),
    ),
    Heading(
        says=r"\bNo solution found when resolving\b", where=Where.BELOW, reasons=(r"\bBecause\b",)
    ),
    Heading(says=r"^(?:Solving|Collecting) [^:]*:.*\bfailed$", where=Where.BELOW),
    Heading(says=r"\bdependency resolver does not currently take\b", where=Where.NEXT),
    Heading(
        says=r"\bthese package versions have conflicting dependencies\b",
        where=Where.BELOW,
        reasons=(
            *(rf"^.*\S depends on \S.*{bound}" for bound in ("==", "[<~]", "")),
            r"\bThe user requested \S",
        ),
    ),
    Heading(
        says=r"(?i)\bcould not solve for environment specs\b|\bencountered problems while solving\b"
        r"|^the environment can't be solved\b",
        where=Where.AROUND,
        reasons=(_CONDA,),
    ),
    Heading(
        says=r"\bthe python version you are constrained to\b|^(?:LibMamba)?Unsatisfiable\w*: "
        r"|\bfound to be incompatible with (?:each|your|the existing)\b",
        where=Where.AROUND,
        reasons=(r"^\s+- \S.* -> ", r"^\S+ -> \S", _CONDA),
    ),
    Heading(says=r"^(?:\w+PackageNotFound|PackagesNotFoundError): ?", where=Where.NEXT),
    # What builds a package from its source, or an app
    Heading(
        says=r"^Undefined symbols for architecture\b|^ld: symbol\(s\) not found\b",
        where=Where.ABOVE,
        reasons=(r"\battempting to link with file built for\b|\bfound architecture '",),
        tells=True,
    ),
    Heading(
        says=r"\bcalled with incorrect number of arguments$",
        where=Where.BELOW,
        reasons=(r"^\s+Invalid \w+: ",),
    ),
    Heading(says=r"^\s*CMake Error(?: at |:|$)", where=Where.BLOCK),
    Heading(
        says=r"subprocess-exited-with-error|\bCommand errored out with exit status\b"
        r"|^\s*[x\u00d7] (?:.*\bdid not run successfully\b|Failed to build `[^`]+`$)"
        r"|\b[Bb]uild backend (?:returned an error\b|failed to \w+ )|\bCall to `[^`]*` failed\b"
        r"|\bfailed to run custom build command\b"
        r"|^Error code: \d+$|\bBuilding wheel for \S.*\berror'?$|\bfinished with status 'error'"
        r"|^RuntimeError: Couldn't (?:install|clone|checkout|fetch) ",
        where=Where.BELOW,
    ),
    Heading(
        says=r"\b[Cc]ommand (?:['\"].*['\"] |\w+ )?failed with (?:a nonzero )?(?:exit|error) "
        r"(?:code|status)\b"
        r"|\breturned (?:a )?non-zero (?:exit status|code)\b|\bcompleted with exit code [1-9]"
        r"|\bdid not complete successfully: exit code\b|\bexecutor failed running\b"
        r"|\blinker command failed\b|^\s*ERROR: Failed building\b|^\s*Failed to build \S+$"
        r"|\bCould not build wheels\b|^\s*error: could not compile\b|\bmetadata-generation-failed\b"
        r"|^\s*g?make(?:\[\d+\])?: \*\*\*|\bbuild stopped: subcommand failed\b"
        r"|\bConfiguring incomplete\b|\bFailed to build installable wheels\b"
        r"|\bAn error occurred while building with CMake\b|\bCMake configuration failed\b"
        r"|\bPip failed$|\*\* BUILD FAILED \*\*|\bEncountered error while \w+ing\b",
        where=Where.AROUND,
    ),
    # git, and a shell's word of a program that ended
    Heading(
        says=r"\bsmudge filter lfs failed\b|\bexternal filter .*git-lfs"
        r"|\bfailed to fetch some objects\b",
        where=Where.AROUND,
        reasons=(
            r"\bbatch response: ",
            r"\bSmudge error\b",
            r"\bError downloading object\b",
            r"^error: unable to ",
        ),
    ),
    Heading(
        says=r"^fatal: (?:early EOF|index-pack failed|fetch-pack: invalid index-pack"
        r"|the remote end hung up)",
        where=Where.ABOVE,
        reasons=(
            r"\bcommand not found\b",
            r"\bRPC failed\b",
            r"\bunexpected disconnect\b",
            r"^error: ",
        ),
    ),
    Heading(
        says=r"\b(?:Abort|Trace/BPT) trap(?:: \d+)?(?:$|\s{2,}\S)|^\w*sh: (?:abort|trace trap)\b",
        where=Where.ABOVE,
        reasons=(
            r"\b(?:Library not loaded|Symbol not found)\b|\bcompiled to use \w+ instructions\b",
            r"\bFatal error: |\bterminating due to\b|\bterminating with uncaught\b",
            r"(?i)\b(?:assertion failed|failed assertion)\b|\bTerminating app due to\b",
        ),
    ),
    # What compiled code ends with
    Heading(
        says=r"\bterminate called after throwing an instance of\b",
        where=Where.BELOW,
        reasons=(r"^\s*what\(\):",),
    ),
    Heading(says=r"\bpanicked at [^'\"]+:\d+:\d+:$", where=Where.NEXT),
    # Apple's frameworks and crash reports, and programs that load models
    Heading(
        says=r"\boriginal module failed verification\b",
        where=Where.ABOVE,
        reasons=(r"'\w+\.\w+' op ",),
    ),
    Heading(
        says=r"^\s*with error code: -?\d+\.?$",
        where=Where.ABOVE,
        reasons=(r"\bFailed to build the model execution plan\b",),
    ),
    Heading(
        says=r"^\s*Exception Type:\s+EXC_CRASH \(SIGABRT\)",
        where=Where.BELOW,
        reasons=(r"\bLibrary not loaded\b", r"\bSymbol not found\b"),
    ),
    Heading(
        says=r"\bfailed to (?:initialize|create) (?:\w+ )*context\b",
        where=Where.ABOVE,
        reasons=(r"\bfailed to (?:load|open) |\bpipeline error: ",),
    ),
    Heading(
        says=r"^ERROR: [a-z]+(?:-[a-z]+)+$",  # torch's, by the name of its rule
        where=Where.BELOW,
        reasons=(r"\bto ONNX opset version\b", r"\bnot supported\b"),
    ),
    # Programs that refer to what they printed before
    Heading(
        says=r"^source: Error while reading file\b|^from sourcing file\b",  # fish's
        where=Where.ABOVE,
        reasons=(r"\(line \d+\): ",),
    ),
    Heading(says=r"(?i)\bsee the error messages? above\b", where=Where.BEFORE),
    Heading(says=r"(?i)\b(?:error|fatal)\b.*:? usage: ", where=Where.ABOVE),
    Heading(says=r"(?i)^(?:.*\])?\s*fatal error: file \S.*, line \d+$", where=Where.ABOVE),
)
"""The kinds of headings, and where the reason of each stands."""

_COMPILED = tuple((re.compile(one.says), one) for one in HEADINGS)
_HOPS = 4
"""A heading's reason may be a heading of its own; so many are followed."""

_REACH = 400
"""So many lines above and below are looked at."""


def find_reason(line: Line, lines: Sequence[Line]) -> Line:
    """Return the line that says why what a line announces came about; the line itself if none."""
    for _ in range(_HOPS):
        heading = find_heading(line.text)
        reason = next(_find(heading, line, lines), None) if heading else None
        if reason is None:
            break
        line = reason
    return line


def find_more_reasons(line: Line, lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines that say what a line announces, where its heading knows what they look like.

    `find_reason` returns the first of them.
    """
    heading = find_heading(line.text)
    if heading and heading.reasons:
        yield from _find(heading, line, lines)


def find_heading(text: str) -> Heading | None:
    """Return which kind of heading a line is, if any."""
    return next((heading for says, heading in _COMPILED if says.search(text.rstrip())), None)


def only_announces(text: str) -> bool:
    """Return whether a line says nothing of why what it announces came about."""
    heading = find_heading(text)
    return heading is not None and heading.where is not Where.BLOCK and not heading.tells


def _find(heading: Heading, line: Line, lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the reasons of a heading, the best first."""
    at = next((at for at, one in enumerate(lines) if one.number >= line.number), len(lines))
    above = [one for one in reversed(lines[max(0, at - _REACH) : at]) if one.text.strip()]
    below = [one for one in lines[at + 1 : at + 1 + _REACH] if one.text.strip()]
    match heading.where:
        case Where.NEXT:
            yield from (one for one in below[:1] if not _FRAME.match(one.text))
        case Where.BLOCK:
            yield from (one for one in _indented(line, below) if _WORDS.search(one.text))
        case Where.BELOW:
            yield from _choose(heading, below)
        case Where.ABOVE:
            yield from _choose(heading, above)
        case Where.AROUND:
            yield from _choose(heading, above)
            yield from _choose(heading, below)
        case Where.BEFORE:
            start = next((i for i in range(at, 0, -1) if not lines[i - 1].text.strip()), 0)
            before = (one for one in reversed(lines[:start]) if one.text.strip())
            yield from before


_FRAME = re.compile(r"\s*(?:File |Traceback)")
_CODE = re.compile(r"\braise \w|\bsys\.exit\(|^\s*\u2771")
"""A line of a program that a traceback shows."""

_WORDS = re.compile(r"\w\W+\w")
"""A line of one word tells nothing."""


def _indented(line: Line, below: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines directly below one that are indented deeper."""
    indent = _measure(line.text)
    for one in below:
        if _measure(one.text) <= indent:
            return
        yield one


def _measure(text: str) -> int:
    return len(text) - len(text.lstrip())


def _choose(heading: Heading, lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines that have the reason, those first that tell most."""
    for wording in heading.reasons:
        reason = re.compile(wording)
        yield from (one for one in lines if reason.search(one.text))
    if not heading.reasons:
        weighed = [(_weigh_reason(one.text, heading.where), one) for one in lines]
        telling = [(weight, one) for weight, one in weighed if weight is not None]
        yield from (one for _, one in sorted(telling, key=lambda pair: pair[0]))


def _weigh_reason(text: str, where: Where) -> int | None:
    """Return how much a line tells of why, 0 the most; None of one that only announces, too."""
    if _CODE.search(text) or only_announces(text):
        return None
    weight = weigh(text)
    # Of all that a build prints only its errors count.
    return None if where is not Where.ABOVE and weight and weight > IS_ERROR else weight

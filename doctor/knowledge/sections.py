"""Finds the parts of a log: the commands that a shell took, and the builds that pip quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.wordings import weigh


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """The lines of a log, by their numbers, that say how far what others tell still matters.

    `prompts` are those with which a shell took a command, `progress` those that show work done,
    `success` those that say so, and `quoted` those that another announces that somebody may see.
    """

    prompts: tuple[int, ...] = ()
    progress: tuple[int, ...] = ()
    success: tuple[int, ...] = ()
    quoted: frozenset[int] = frozenset()


def find_sections(lines: Sequence[Line]) -> Sections:
    """Return the lines of a log that say how far what others tell still matters."""
    return Sections(
        prompts=find_prompts(lines),
        progress=find_progress(lines),
        success=find_success(lines),
        quoted=find_quoted(lines),
    )


_BUILD = re.compile(
    r"\s*\u2570\u2500> \[\d+ lines? of output\]|\s*(?:Complete output|ERROR: Command errored out)"
)
_BUILD_END = re.compile(r"\s*(?:\[end of output\]|-{20,}$)")
_BUILT = re.compile(r"` depends on `[\w.-]+`, but doesn't declare it as a build dependency")
_QUOTED = 16
"""So many lines above uv's word on a build are what it quotes of that build."""


def find_builds(lines: Sequence[Line]) -> frozenset[int]:
    """Return the numbers of the lines that pip and uv quote of a package's build."""
    found: set[int] = set()
    is_inside = False
    for line in lines:
        if _BUILT.search(line.text):
            found.update(range(line.number - _QUOTED, line.number))
        is_inside = bool(_BUILD.match(line.text)) or (is_inside and not _BUILD_END.match(line.text))
        if is_inside:
            found.add(line.number)
    return frozenset(found)


_PROMPT = re.compile(
    r"(?:\([\w.-]+\) )?(?:\[?[\w.-]+@[\w.-]+(?:[ :][^%$#]{0,80}?)?\]? ?[%$#] |[$\u276f\u279c] +"
    r"|(?:PS )?[A-Z]:\\[^>]{0,120}> ?)\S"
)


_WAITING = re.compile(
    r"(?:\([\w.-]+\) )?(?:\[?[\w.-]+@[\w.-]+(?:[ :][^%$#]{0,80}?)?\]? ?[%$#]|[$%#>\u276f\u279c]"
    r"|(?:PS )?[A-Z]:\\[^>]{0,120}>) *$"
)


def is_prompt(text: str) -> bool:
    """Return whether a line is one with which a shell took a command, or waits for one."""
    return _PROMPT.match(text) is not None or _WAITING.match(text) is not None


_PROGRESS = re.compile(r"\bStep \d+ of \d+(?: +\[|\s*$)|\b100%\|")
_LOGGED = r"\s*(?:INFO\b[\w.: /-]*?[: ] *|\[INFO\] *)?"
_SUCCESS = re.compile(
    _LOGGED
    + r"""(?:
    (?i:(?:all\ )?done)(?:[.!]*|\ in\ [\d.]+\ ?\w+\.?)\s*$
    | (?i:successfully)\ (?:installed|built|saved|converted)\b
    | (?:.*[.!]\ )?Saved\ (?:(?:the\ )?\S+\ ){0,2}(?:in)?to\ \S
    | (?:.*[\]:]\ )?(?i:(?:saved|generated)\ \d+\ images?|images?\ saved)\b  # Apple's and others'
    | (?:.*\ )?(?i:converted|worked|ended)\ (?:fine|well|successfully)\b
    | Compiled\ \S.*\ to\ \S  # the upstream converter
    | .*\bparity\ check\ passed\s*$
    | (?:Configuration|Model\ weights)\ saved\ in\ \S  # diffusers
    | (?:Resolving\ deltas|Updating\ files|Filtering\ content):\ 100%.*,\ done\.\s*$  # git
    | \*\*\ (?:\w+\ )+SUCCEEDED\ \*\*  # xcodebuild
    | Already\ up\ to\ date\.
    | (?:Preparing|Verifying|Executing)\ transaction:.*\bdone\s*$  # conda
    | \S.*:\ \d+\ programs?,\ (?:each|\d+)\ (?:run|with|of)\ \S  # we
    )""",
    re.VERBOSE,
)
"""What pip, conda, git, Xcode, the upstream converter and others say of work done."""

_ANNOUNCES = re.compile(
    r"(?i)\b(?:you|one|users?) (?:may|might|could|will|would) (?:also )?(?:see|get|encounter)\b"
    r"|\bif (?:you|one) (?:see|gets?|encounters?)\b|\b(?:README|FAQ|wiki) (?:says|tells)\b"
)
"""What says of a wording that others may see it."""


def find_progress(lines: Sequence[Line]) -> tuple[int, ...]:
    """Return the numbers of the lines that show work done."""
    return tuple(line.number for line in lines if _PROGRESS.search(line.text))


def find_success(lines: Sequence[Line]) -> tuple[int, ...]:
    """Return the numbers of the lines that say that work was done, and tell of no failure."""
    return tuple(
        line.number for line in lines if _SUCCESS.match(line.text) and weigh(line.text) is None
    )


def find_quoted(lines: Sequence[Line]) -> frozenset[int]:
    """Return the numbers of the lines behind those that say that somebody may see them."""
    told = [line for line in lines if line.text.strip()]
    return frozenset(after.number for line, after in pairwise(told) if _ANNOUNCES.search(line.text))


def find_prompts(lines: Sequence[Line]) -> tuple[int, ...]:
    """Return the numbers of the lines with which a shell took a command."""
    return tuple(line.number for line in lines if _PROMPT.match(line.text))

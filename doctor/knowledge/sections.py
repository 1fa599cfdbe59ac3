"""Finds the parts of a log: the commands that a shell took, and the builds that pip quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sdcoreml.doctor.knowledge.lines import Line

_BUILD = re.compile(
    r"\s*\u2570\u2500> \[\d+ lines? of output\]|\s*(?:Complete output|ERROR: Command errored out)"
)
_BUILD_END = re.compile(r"\s*(?:\[end of output\]|-{20,}$)")


def find_builds(lines: Sequence[Line]) -> frozenset[int]:
    """Return the numbers of the lines that pip quotes of a package's build."""
    found: set[int] = set()
    is_inside = False
    for line in lines:
        is_inside = bool(_BUILD.match(line.text)) or (is_inside and not _BUILD_END.match(line.text))
        if is_inside:
            found.add(line.number)
    return frozenset(found)


_PROMPT = re.compile(
    r"(?:\([\w.-]+\) )?(?:\[?[\w.-]+@[\w.-]+(?:[ :][^%$#]{0,80}?)?\]? ?[%$#] |[$\u276f\u279c] +"
    r"|(?:PS )?[A-Z]:\\[^>]{0,120}> ?)\S"
)


_PROGRESS = re.compile(r"\bStep \d+ of \d+ +\[|\b100%\|")


def find_progress(lines: Sequence[Line]) -> tuple[int, ...]:
    """Return the numbers of the lines that show work done."""
    return tuple(line.number for line in lines if _PROGRESS.search(line.text))


def find_prompts(lines: Sequence[Line]) -> tuple[int, ...]:
    """Return the numbers of the lines with which a shell took a command."""
    return tuple(line.number for line in lines if _PROMPT.match(line.text))

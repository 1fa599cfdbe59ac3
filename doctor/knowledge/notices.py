"""Tells lines that only warn from lines that tell of a failure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from sdcoreml.doctor.knowledge.lines import Line

_WARNING = re.compile(
    r"(?i)\b(?:future|deprecation|user|import)warning\b|^\s*warn(?:ing)?\b|^INFO\b|^\s*(?:note|hint):"
    r"|^[^\s:][^:\n]*:\d+(?::\d+)?: warning: "
)
_SOFTENED = re.compile(
    r"(?i)\b(?:Future|Deprecation|User|Runtime|Tracer|Import)?Warning\b|^\s*warn(?:ing)?\b|^INFO\b"
    r"|\bretrying\b|^\s*note:|^\s*hint:|\bhas not been tested with\b"
    r"|\bUnable to register cu\w+ factory\b|\bTryGetProviderInfo_\w+"
    r"|^\s*(?:\[rank\d+\]:\s*)?raise [\w.]+\("
)
_GOES_ON = re.compile(
    r"(?i)\b(?:can|may) be (?:safely )?ignored\b|\boptional (?:node|module|dependency|feature)\b"
    r"|\b(?:falling|fall) back\b|\bdefaulting to\b|\bskipping\b|\bignoring\b"
    r"|^rm: cannot remove\b|^An error occurred while trying to fetch\b"
    r"|\bwill be (?:disabled|skipped)\b|\. Disabling \w|\bcaught exception\b.*\bdisabled\b"
)

_FULL = re.compile(r"(?i)\b(?:no space left on device|quota exceeded|ENOSPC)\b.*\bskipping\b")
"""A full disk is no smaller for what is skipped."""

_LAST_RETRY = re.compile(r"\bRetry\(total=0\b.*\bafter connection broken by\b")
_CONTINUES = re.compile(r"(?i)\s*continuing (?:without|anyway|with)\b")


def find_dismissed(lines: Sequence[Line]) -> frozenset[int]:
    """Return the numbers of the lines of which the next one says that the run goes on."""
    return frozenset(line.number for line, after in pairwise(lines) if _CONTINUES.match(after.text))


def goes_on(text: str) -> bool:
    """Return whether a line itself says that what failed is done without."""
    return _GOES_ON.search(text) is not None and _FULL.search(text) is None


def is_warning(text: str) -> bool:
    """Return whether a line only warns, so that a run went on behind it."""
    return (_WARNING.search(text) is not None and not _is_last(text)) or goes_on(text)


def is_softened(text: str) -> bool:
    """Return whether words of failure in a line are those of a warning or of a retry."""
    return (_SOFTENED.search(text) is not None and not _is_last(text)) or goes_on(text)


def _is_last(text: str) -> bool:
    """Return whether pip, though it warns of a retry, will not try again."""
    return _LAST_RETRY.search(text) is not None

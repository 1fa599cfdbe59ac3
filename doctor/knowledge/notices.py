"""Tells lines that only warn from lines that tell of a failure."""

from __future__ import annotations

import re

_WARNING = re.compile(
    r"(?i)\b(?:future|deprecation|user|import)warning\b|^\s*warn(?:ing)?\b|^INFO\b|^\s*(?:note|hint):"
)
_SOFTENED = re.compile(
    r"(?i)\b(?:Future|Deprecation|User|Runtime|Tracer|Import)?Warning\b|^\s*warn(?:ing)?\b|^INFO\b"
    r"|\bretrying\b|^\s*note:|^\s*hint:"
)
_GOES_ON = re.compile(
    r"(?i)\b(?:can|may) be (?:safely )?ignored\b|\boptional (?:node|module|dependency|feature)\b"
    r"|\b(?:falling|fall) back\b|\bdefaulting to\b|\bskipping\b|\bignoring\b"
    r"|^An error occurred while trying to fetch\b|\bwill be (?:disabled|skipped)\b"
)


def goes_on(text: str) -> bool:
    """Return whether a line itself says that what failed is done without."""
    return _GOES_ON.search(text) is not None


def is_warning(text: str) -> bool:
    """Return whether a line only warns, so that a run went on behind it."""
    return _WARNING.search(text) is not None or goes_on(text)


def is_softened(text: str) -> bool:
    """Return whether words of failure in a line are those of a warning or of a retry."""
    return _SOFTENED.search(text) is not None or goes_on(text)

"""Tells lines that only warn from lines that tell of a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sdcoreml.doctor.knowledge.lines import Line

_WARNING = re.compile(
    r"(?i)(?<!ignore::)\b(?:future|deprecation|user|import)warning\b|^\s*warn(?:ing)?\b|^INFO\b"
    r"|^\s*(?:note|hint):"
    r"|^[^\s:][^:\n]*:\d+(?::\d+)?: warning: "
)
_SOFTENED = re.compile(
    r"(?i)\b(?:Future|Deprecation|User|Runtime|Tracer|Import)?Warning\b|^\s*warn(?:ing)?\b|^INFO\b"
    r"|(?:^|\s)W (?:tensorflow|external)/|\bretrying\b|^\s*note:|^\s*hint:"
    r"|\bhas not been tested with\b"
    r"|\bUnable to register cu\w+ factory\b|\bTryGetProviderInfo_\w+"
    r"|^\s*(?:\[rank\d+\]:\s*)?raise [\w.]+\("
)
_GOES_ON = re.compile(
    r"(?i)\b(?:can|may) be (?:safely )?ignored\b|\boptional (?:node|module|dependency|feature)\b"
    r"|\b(?:falling|fall) back\b|\bdefaulting to\b|\bskipping\b|\bignoring\b"
    r"|^rm: cannot remove\b|^An error occurred while trying to fetch\b"
    r"|\bwill be (?:disabled|skipped)\b|\. Disabling \w|\bcaught exception\b.*\bdisabled\b"
)

_STAYS = re.compile(
    r"(?i)\b(?:no space left on device|quota exceeded|ENOSPC)\b.*\bskipping\b"
    r"|\bCould not fetch URL\b.*\bcertificate\b.*\bskipping\b"
)
"""A full disk is no smaller for what is skipped, and without its index pip finds no package."""

_LAST_RETRY = re.compile(r"\bRetry\(total=0\b.*\bafter connection broken by\b")
_CONTINUES = re.compile(r"(?i)\s*continuing (?:without|anyway|with)\b")


_RETRIES = re.compile(r"(?i)\bretry(?:ing)?\b|\btrying again\b")
_HANDLED = re.compile(r"(?i)\bout of memory\b|OutOfMemoryError")
_IDLE = re.compile(r"'NoneType' object has no attribute 'cadam32bit_grad_fp32'\s*$")
_HEALTHY_END = re.compile(
    r"(?i)\bPrompt executed in [\d.:]+|\bmodel saved\b|\bsaved? (?:the )?(?:model|checkpoint)\b"
    r"|(?<![\d/.])(?P<steps>\d{1,7})/(?P=steps)(?![\d/.])"
    r"|\btraining (?:is )?(?:done|finished|complete)"
)
_FAILS = re.compile(r"(?i)error\b|\bTraceback\b|\bfailed\b|\bout of memory\b|^!!!|\bkilled\b")
_SERVED = re.compile(
    r"(?<!:443 )(?<!:80 )\"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) [^\"\n]* HTTP"
    r"/\d(?:\.\d)?\"?[ :]+\d{3}\b"
    r"|\bCompleted \d{3} [A-Z][\w ]* in \d+(?:\.\d+)?ms\b"
)
"""How servers and frameworks note what they answered: what went wrong stands elsewhere."""

_NOTE = re.compile(
    r"\s*(?:[-*+\u2022]|\d+[.)])\s+(?:.*`[^`]*(?:[Ee]rror|[Ee]xception|fatal|failed)[^`]*`"
    r"|(?:[^:]{0,60}:\s+)?(?i:fix(?:e[sd]|ing)?|resolves?d?|closes?d?|avoids?)\b(?!:).*)"
)
"""What a list of changes says of errors that were mended, or quotes of one."""


def is_reported(text: str) -> bool:
    """Return whether a line only notes an answer that was given, or quotes an error of others."""
    return _SERVED.search(text) is not None or _NOTE.match(text) is not None


def find_dismissed(lines: Sequence[Line]) -> frozenset[int]:
    """Return the numbers of the lines of which others say that the run goes on.

    The next line says so; or what failed was tried again, and the run came to a good end.
    """
    continued = (line.number for line, after in pairwise(lines) if _CONTINUES.match(after.text))
    return frozenset((*continued, *_find_handled(lines), *_find_built(lines)))


_BUILT = re.compile(r"\*\* (?:\w+ )+(?P<how>SUCCEEDED|FAILED) \*\*")
_WARNS = re.compile(r"(?:^|[\s:])warning: ")


def _find_built(lines: Sequence[Line]) -> Iterator[int]:
    """Yield the numbers of the warnings above Xcode's word that a build succeeded."""
    ends = [(line.number, found["how"]) for line in lines if (found := _BUILT.search(line.text))]
    for line in lines if ends else ():
        how = next((how for number, how in ends if number > line.number), "")
        if how == "SUCCEEDED" and _WARNS.search(line.text):
            yield line.number


def _find_handled(lines: Sequence[Line]) -> Iterator[int]:
    """Yield the numbers of the lines of what a run that ended well did without, or did again."""
    told = [line for line in lines if line.text.strip()]
    at_end = max((at for at, one in enumerate(told) if _HEALTHY_END.search(one.text)), default=-1)
    for at, line in enumerate(told[: at_end + 1]):
        again = [at] if _RETRIES.search(line.text) else [at, at + 1]
        is_handled = _HANDLED.search(line.text) and _RETRIES.search(told[again[-1]].text)
        behind = told[again[-1] + 1 :]
        if (is_handled or _IDLE.search(line.text)) and not any(
            _FAILS.search(one.text) and not _HANDLED.search(one.text) for one in behind
        ):
            yield from (told[one].number for one in again)


def goes_on(text: str) -> bool:
    """Return whether a line itself says that what failed is done without."""
    return _GOES_ON.search(text) is not None and _STAYS.search(text) is None


def is_warning(text: str) -> bool:
    """Return whether a line only warns, so that a run went on behind it."""
    return (_WARNING.search(text) is not None and not _is_last(text)) or goes_on(text)


def is_softened(text: str) -> bool:
    """Return whether words of failure in a line are those of a warning or of a retry."""
    return (_SOFTENED.search(text) is not None and not _is_last(text)) or goes_on(text)


def _is_last(text: str) -> bool:
    """Return whether pip, though it warns of a retry, will not try again."""
    return _LAST_RETRY.search(text) is not None

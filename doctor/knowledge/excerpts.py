"""Chooses the lines of a log that may tell of a failure, by words that such lines contain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sdcoreml.doctor.knowledge.lines import Line

WHOLE = 256_000
"""A log of at most this many characters is read whole; of a longer one, the telling lines are."""

LONGEST = 3_000
"""No more characters of a line are looked at at once."""

_KEPT_END = 48_000
_HITS = 400
_BEFORE, _AFTER = 6, 3
_TRIGGERS = (
    *(
        "rror",
        "RROR",
        "NotFound",
        "xception",
        "raceback",
        "illed",
        "atal",
        "FAIL",
        "ailed",
        "ailure",
        "annot ",
        "an't ",
    ),
    *("ould not", "No such", "ot found", "o space", "nable to", "ot supported", "issing", "SIG"),
    *("panic", "rap: ", "ssert", "denied", "orrupt", "efused", "imed out", "o module", "rgument"),
)
"""What lines that tell of a failure contain, without the letter that may be a capital."""

_WEAK_TRIGGERS = (
    *("linking in ", "source=", "no longer supported", "to update it", "MISUSE:", "|ERR"),
    *("Please install", "load StableDiffusion checkpoint", "Not Found", "torch.load("),
    *(
        " not ",
        " need ",
        "n't",
        "NOT ",
        "nsupported",
        "quota",
        "xpect",
        "erminat",
        "memory",
        "ismatch",
        "sha256",
        "lock",
        "omp",
        "rash",
        "no such",
        "//none-",
    ),
    *(
        "nterrupt",
        "nvalid",
        "kex_exchange",
        "nmatched",
        "rong ",
        "ignore ",
        "is tested with",
        "Last 15 lines",
        "etries",
        "etrying",
        "equire",
        "onflict",
        "nvalid",
        "ncompatible",
        "ncorrect",
        "nrecognized",
    ),
    *(
        "trap",
        "ndefined",
        "EXC_",
        "fork(",
        "NSFW",
        "no matches",
        "alpha: []",
        "quit ",
        "newer than",
        "exit",
        "roken",
        " too ",
        "hada_",
        "lokr_",
        "as no ",
        "ave no ",
        "othing",
        "No ",
        "git-lfs",
    ),
    *(
        "Swift",
        "OOM",
        "jetsam",
        "cannot",
        "nable",
        "limit",
        "os error",
        "size",
        "key(s)",
        "login",
        "nly ",
        "roblem",
    ),
    *(
        "nstruction",
        "ault",
        "arning",
        "core dumped",
        "converters/",
        "CPU",
        "dlopen",
        "bort",
        "symlink(",
    ),
    *(
        "ANE",
        "E5RT",
        "MPS",
        "CUDA",
        "numpy",
        "NumPy",
        "oading",
        "- ",
        "xternally",
        "Half",
        "unavailable",
        "already ",
        "anifest",
        "ertificate",
        "x509",
    ),
    *(
        "depends on",
        "user requested",
        "ecause ",
        "\u2500 ",
        "no longer",
        "xceeded",
        "estart",
        "ERR!",
        "required: {",
        "CHANGED",
        "aarch64",
        "Depends: ",
        "eprecated",
    ),
)
"""What lines contain that may tell more of a failure that others tell of."""


_SHORT = 60
"""Who gives so few lines has chosen them."""

_ABOVE = 5
"""A pattern of several lines may begin so many before the one that tells."""


def choose_telling(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines that may tell of a failure, with those just before and behind them.

    All of a few lines may.
    """
    if len(lines) <= _SHORT:
        return tuple(lines)
    words = (*_TRIGGERS, *_WEAK_TRIGGERS)
    telling = [any(word in line.text for word in words) for line in lines]
    return tuple(
        line for at, line in enumerate(lines) if any(telling[max(0, at - _AFTER) : at + _ABOVE + 1])
    )


def excerpt(log: str) -> Iterator[tuple[int, str]]:
    """Yield the lines around words of failure, and the end; repeated lines are dropped."""
    end = log.rfind("\n", 0, max(0, len(log) - _KEPT_END)) + 1
    spans = sorted({_around(log, hit) for word in _TRIGGERS for hit in _hits(log, word, end)})
    number, at, seen, room = 1, 0, dict[str, int](), WHOLE
    for start, stop in [*_thin(spans), (end, len(log))]:
        begin = max(start, at)
        if begin >= stop:
            continue
        number, at = number + log.count("\n", at, begin), begin
        for text in log[begin:stop].split("\n")[: -1 if log[stop - 1] == "\n" else None]:
            kind = _DIGITS.sub("0", text[:200])
            seen[kind] = seen.get(kind, 0) + 1
            if begin == end or (seen[kind] <= _REPEATS and len(text) < room):
                room -= len(text)
                yield number, text
            number += 1
        at = stop


_DIGITS = re.compile(r"\d+")
_REPEATS = 3


def _hits(log: str, word: str, end: int) -> Iterator[int]:
    """Yield the first and the last places where a word is, before `end`."""
    at = log.find(word, 0, end)
    for _ in range(_HITS):
        if at < 0:
            return
        yield at
        at = log.find(word, log.find("\n", at, end) if log.find("\n", at, end) > 0 else end, end)
    at = log.rfind(word, at, end) if at >= 0 else -1
    for _ in range(_HITS):
        if at < 0:
            return
        yield at
        at = log.rfind(word, 0, max(0, log.rfind("\n", 0, at)))


def _around(log: str, at: int) -> tuple[int, int]:
    """Return where the lines around a place start and stop."""
    start, stop = at, at
    for _ in range(_BEFORE):
        start = max(0, log.rfind("\n", max(0, start - LONGEST), start))
    for _ in range(_AFTER):
        following = log.find("\n", stop, stop + LONGEST)
        stop = following + 1 if following >= 0 else stop
    return start + (start > 0), max(stop, at + 1)


def _thin(spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Return so many spans of the beginning and of the end as there is time for."""
    if len(spans) <= 2 * _SPANS:
        return spans
    return [*spans[:_SPANS], *spans[-_SPANS:]]


_SPANS = 600

"""Reads a log as a person would: without colours, prefixes and boxes, wrapped lines joined.

What is kept of a line is what the program that failed wrote in it. Its indentation is kept, since
tracebacks are told by it; its number is that of the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

WHOLE = 256_000
"""A log of at most this many characters is read whole; of a longer one, the telling lines are."""

_KEPT_END = 48_000
_HITS = 400
_BEFORE, _AFTER = 6, 3
_TRIGGERS = (
    *(
        "rror",
        "RROR",
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
    *(
        " not ",
        "n't",
        "NOT ",
        "nsupported",
        "quota",
        "xpected",
        "erminat",
        "memory",
        "ismatch",
        "sha256",
        "lock",
        "omp",
        "rash",
        "no such",
    ),
    *("nterrupt", "etries", "etrying", "equire", "onflict", "nvalid", "ncompatible", "nrecognized"),
    *(
        "trap",
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
    ),
)
"""What lines contain that may tell more of a failure that others tell of."""

_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]"
    r"|\^\[\[[\d;]*[A-Za-z]"
    r"|\\(?:x1b|033|u001b|e)\[[\d;]*m|(?<![\w\]])\[\d{1,2}(?:;\d{1,3})*m(?!\])|\^M$",
    re.MULTILINE,
)
_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127, 0xFEFF, 0x200B])
_STRAIGHT = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u00b4\u2032", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u00a0\u2007\u202f\u2009", " ")
    | dict.fromkeys("\u2010\u2011", "-")
)
_MANGLED = (
    *(("\u00e2\u20ac\u2122", "'"), ("\u00e2\u20ac\u02dc", "'"), ("\u00e2\u20ac\u0153", '"')),
    *(("\u00e2\u20ac\x9d", '"'), ("\u00e2\u201d\u201a", "\u2502"), ("\u00e2\u20ac", '"')),
)
"""Quotes and bars in UTF-8 that somebody read as Windows-1252."""

_ENTITIES = (("&quot;", '"'), ("&#39;", "'"), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"))

_TIME = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_PREFIX = re.compile(
    rf"""(?:
      \[?\d{{4}}[-/]\d\d[-/]\d\d[T\ ]{_TIME}(?:Z|\ ?[+-]\d\d:?\d\d)?\]?
      (?:\ (?:stdout|stderr)\ [FP])?
    | \[?\w{{3}}\ +\d{{1,2}}\ {_TIME}\ \S+\ [\w@./-]+(?:\[\d+\])?:
    | \[?{_TIME}(?:\ ?[AP]M)?\]?(?=\ )
    | [a-z][\w.-]*\ *\|(?=\ |$)
    | \[(?:stdout|stderr|pod/\S+|\w+[-_]\d+|INFO|err|out)\]
    | (?:>|&gt;)(?!>)
    | E\ \ (?=\ )
    | \ *[\u2502\u2503\u2551|](?!\s*\d+it\b)
    )\ ?""",
    re.VERBOSE,
)
_BOX_END = re.compile(r"\s*[\u2502\u2503\u2551|]\s*$")
_BOX_RULE = re.compile(r"(?=.*[\u2500\u2501\u2550\u256d\u2570\u250c\u2514])[\s\u2500-\u257f]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a log as it is read: its number (from 1) and its text."""

    number: int
    text: str


def read(log: str) -> tuple[Line, ...]:
    """Return the lines of a log, cleaned; of a long log those that may tell of a failure."""
    log = log.replace("\r\n", "\n").replace("\r", "\n")
    chosen = _number(log) if len(log) <= WHOLE else _excerpt(log)
    return tuple(Line(number=number, text=clean(shorten(text))) for number, text in chosen)


def shorten(line: str) -> str:
    """Return a line without the middle of what is too long to be a message."""
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[:half]} ... {line[-half:]}"


def choose_telling(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines that may tell of a failure, with those just before and behind them."""
    words = (*_TRIGGERS, *_WEAK_TRIGGERS)
    telling = [any(word in line.text for word in words) for line in lines]
    return tuple(
        line for at, line in enumerate(lines) if any(telling[max(0, at - _AFTER) : at + 2])
    )


def clean(line: str) -> str:
    """Return a line without colours, curly quotes, the prefixes of services, and boxes."""
    if not line.isascii():
        for mangled, meant in _MANGLED if "\u00e2" in line else ():
            line = line.replace(mangled, meant)
        line = line.translate(_STRAIGHT)
    if not line.isprintable() or "[" in line or "^" in line:
        line = _ANSI.sub("", line).translate(_CONTROL)
    for entity, meant in _ENTITIES if "&" in line else ():
        line = line.replace(entity, meant)
    for _ in range(3):
        found = _PREFIX.match(line)
        if found is None:
            break
        line = line[found.end() :]
        if found[0].strip() in _BARS:
            line = _BOX_END.sub("", line)
    return "" if _BOX_RULE.match(line) else line.rstrip()


_BARS = frozenset("\u2502\u2503\u2551|")


def _number(log: str) -> Iterator[tuple[int, str]]:
    return enumerate(log.split("\n")[: -1 if log.endswith("\n") else None], start=1)


def _excerpt(log: str) -> Iterator[tuple[int, str]]:
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
_LONGEST = 3_000


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
        start = max(0, log.rfind("\n", max(0, start - _LONGEST), start))
    for _ in range(_AFTER):
        following = log.find("\n", stop, stop + _LONGEST)
        stop = following + 1 if following >= 0 else stop
    return start + (start > 0), max(stop, at + 1)


def _thin(spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Return so many spans of the beginning and of the end as there is time for."""
    if len(spans) <= 2 * _SPANS:
        return spans
    return [*spans[:_SPANS], *spans[-_SPANS:]]


_SPANS = 600


def join_wrapped(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines with those joined that a terminal or a mail broke at its width.

    A line as long as the longest was cut within it; one to which the next line's first word could
    not be added was broken before that word. Empty if nothing seems to be broken.
    """
    width = _find_width(lines)
    if not width:
        return ()
    joined: list[Line] = []
    glue: str | None = None
    for line, after in pairwise([*lines, Line(number=0, text="")]):
        if glue is None:
            joined.append(line)
        else:
            previous = joined[-1]
            text = previous.text + glue + (line.text.lstrip() if glue else line.text)
            joined[-1] = Line(number=previous.number, text=text)
        glue = _choose_glue(line.text, after.text, width)
        if len(joined[-1].text) > _JOINED:
            glue = None
    return tuple(joined) if len(joined) < len(lines) else ()


_NARROW, _WIDE = 38, 220
_JOINED = 1_200
"""No message is longer: a log whose lines are all of one length is not a broken one."""


def _find_width(lines: Sequence[Line]) -> int:
    """Return the width at which lines seem to be broken: the longest's; 0 if they are not."""
    longest = max((len(line.text) for line in lines), default=0)
    return longest if _NARROW <= longest <= _WIDE else 0


def _choose_glue(text: str, after: str, width: int) -> str | None:
    """Return what joins a line to the next: nothing, a space, or None if they are two lines."""
    if not text or not after.strip() or _STARTS.match(after):
        return None
    if len(text) == width:
        return ""
    word = after.split(maxsplit=1)[0]
    return " " if len(text) + 1 + len(word) > width else None


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


def find_prompts(lines: Sequence[Line]) -> tuple[int, ...]:
    """Return the numbers of the lines with which a shell took a command."""
    return tuple(line.number for line in lines if _PROMPT.match(line.text))


_STARTS = re.compile(
    r"\s*(?:Traceback|File \"|[\w.]*(?:Error|Exception)\b:|\w+: |\$ |[-*+\u2022] )"
)

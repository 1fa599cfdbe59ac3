"""Takes from a line what the program that failed did not write: colours, prefixes, boxes."""

from __future__ import annotations

import re

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

_ESCAPES = (
    *(("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&"), ("\\u0027", "'"), ("\\u0022", '"')),
    ('\\"', '"'),
)
"""What a program's answer in JSON writes for a sign, where nothing else does."""

_ANSWER = re.compile(
    r'(?:^|[{,])\s*"(?:error|errors|message|detail|msg|reason|exception|body)":\s*["{\[]'
)

_TIME = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_PREFIX = re.compile(
    rf"""(?:
      \[?\d{{4}}[-/]\d\d[-/]\d\d[T\ ]{_TIME}(?:Z|\ ?[+-]\d\d:?\d\d)?\]?
      (?:\ (?:stdout|stderr)\ [FP])?
    | \[?\w{{3}}\ +\d{{1,2}}\ {_TIME}\ \S+\ [\w@./-]+(?:\[\d+\])?:
    | \[?{_TIME}(?:\ ?[AP]M)?\]?(?=\ )
    | [a-z][\w.-]*\ *\|(?=\ |$)
    | \#\d+\ \d+\.\d+(?=\ )|=>\ =>\ \#(?=\ )
    | \[(?:stdout|stderr|pod/\S+|\w+[-_]\d+|INFO|err|out)\]
    | \[(?:ERROR|Error|error|WARNING|DEBUG)\]
      (?=\ (?:Traceback\ |\ +File\ "|\ {4}|[\w.]+(?:Error|Exception):))
    | (?:>|&gt;)(?!>)
    | \#\ (?=(?:ERROR|error|fatal|[\w.]+(?:Error|Exception)):\ |Traceback\ \()
    | E\ \ (?=\ )
    | (?:stdout|stderr):(?=\ \S)
    | \ *[\u2502\u2503\u2551|](?!\s*\d+it\b)
    )\ ?""",
    re.VERBOSE,
)
_BOX_END = re.compile(r"\s*[\u2502\u2503\u2551|]\s*$")
_LOCALS = re.compile(
    r"\s*(?:[\u2502\u2503\u2551]\s?[\u2502\u2503\u2551] .* "
    r"[\u2502\u2503\u2551]\s?[\u2502\u2503\u2551]"
    r"|\| \| +\w+ = .* \| \|)\s*$"
)
"""What rich shows of the variables of a frame, in a box in its box: it is not what went wrong."""

_BOX_RULE = re.compile(r"(?=.*[\u2500\u2501\u2550\u256d\u2570\u250c\u2514])[\s\u2500-\u257f]+$")


def clean(line: str) -> str:
    """Return a line without colours, curly quotes, the prefixes of services, and boxes."""
    if not line.isascii():
        for mangled, meant in _MANGLED if "\u00e2" in line else ():
            line = line.replace(mangled, meant)
        line = line.translate(_STRAIGHT)
    if not line.isprintable() or "[" in line or "^" in line:
        line = _ANSI.sub("", line).translate(_CONTROL)
    if _LOCALS.match(line):
        return ""
    for entity, meant in _ENTITIES if "&" in line else ():
        line = line.replace(entity, meant)
    line = _unescape(line) if "\\" in line else line
    for _ in range(3):
        found = _PREFIX.match(line)
        if found is None:
            break
        line = line[found.end() :]
        if found[0].strip() in _BARS:
            line = _BOX_END.sub("", line)
    return "" if _BOX_RULE.match(line) else line.rstrip()


_BARS = frozenset("\u2502\u2503\u2551|")


def _unescape(line: str) -> str:
    """Return a program's answer in JSON with the signs that it stands for."""
    if _ANSWER.search(line):
        for escape, meant in _ESCAPES:
            line = line.replace(escape, meant)
    return line

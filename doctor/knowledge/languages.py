"""Puts into English what systems and their tools say in other languages.

The knowledge is written in the words of English messages. A Windows or a shell of another language
says the same in its own, and a console that takes one encoding for another spoils its accents.
What a log is quoted with stays as it stands there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.lockfiles.table import read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """A message in another language: its longest part that any console shows, form and English."""

    key: str
    form: re.Pattern[str]
    english: str


def translate(lines: Sequence[Line]) -> Sequence[Line]:
    """Return lines with the messages that are known in other languages in English."""
    text = "\n".join(line.text for line in lines)
    said = [one for one in _sayings() if one.key in text]
    done = tuple(_translate(line, said) for line in lines) if said else lines
    return lines if all(one is own for one, own in zip(done, lines, strict=True)) else done


def quote_own(line: Line, lines: Sequence[Line], english: Sequence[Line]) -> Line:
    """Return a line that was put into English as it stands in the log."""
    for own, other in zip(lines, english, strict=True):
        if own.number == line.number and own is not other:
            if line.text == other.text:
                return replace(line, text=own.text)
            if line.text == other.text.strip():
                return replace(line, text=own.text.strip())
    return line


def _translate(line: Line, said: Sequence[Saying]) -> Line:
    for one in said:
        found = one.form.search(line.text) if one.key in line.text else None
        if found:
            named = found.groupdict().get("x") or ""
            english = one.english.replace("{x}", named.strip())
            before = _GIT.sub("", line.text[: found.start()])
            return replace(line, text=f"{before}{english}{line.text[found.end() :]}")
    return line


_GIT = re.compile(
    r"(?:fatal|error|Schwerwiegend|Fehler|fatale?|erreur|errore|erro|ошибка|致命错误|错误|致命錯誤|錯誤)"
    r" ?[:\uff1a] ?$",
    re.IGNORECASE,
)
"""What git puts before a message, which has it in English, too."""


@cache
def _sayings() -> Sequence[Saying]:
    table = read_table(Path(__file__).parent / "languages.toml")
    found = tuple(
        Saying(key=_find_key(other), form=_make_form(other), english=row.get("english", str))
        for row in table.tables("said")
        for other in row.strings("others")
    )
    table.finish()
    return found


_LATIN = "\u024f"
"""The last letter of Latin script: a console of another encoding shows its accents otherwise."""


def _is_spoilt(letter: str) -> bool:
    return not letter.isascii() and letter <= _LATIN


def _find_key(other: str) -> str:
    """Return the longest part of a message that is one and the same wherever it is printed."""
    parts = re.split(
        r"\{x\}|['\" :,.\uff1a\uff0c\u3002]",
        "".join("'" if _is_spoilt(one) else one for one in other),
    )
    return max(parts, key=len)


def _make_form(other: str) -> re.Pattern[str]:
    parts = [part for part in re.split(r"(['\"]?\{x\}|.)", other) if part]
    return re.compile("".join(map(_make_part, parts)))


def _make_part(part: str) -> str:
    if part == "{x}":
        return r"(?P<x>[^\n]*?\S)"
    if part.endswith("{x}"):
        return r"['\"](?P<x>[^\n'\"]*?[^\s'\"])"
    if part in "'\"":
        return r"['\"]"
    if part == " ":
        return r"\s+"
    if part in ":\uff1a,\uff0c.\u3002":
        return r"\s?[:\uff1a,\uff0c.\u3002]"
    return r"\S{1,3}?" if _is_spoilt(part) else re.escape(part)

"""Names the exception of a message that a program shows without it, as Python would have.

ComfyUI's window shows the message alone, its report has the type in a line of its own, SD.Next and
others write "error=", or words of their own, and the message. The knowledge is written in the words
that Python prints: the type, a colon and the message. Python's own messages tell their type. What
a log is quoted with stays as it stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.lockfiles.table import read_table

_NAMED = re.compile(
    r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|NotFound)\b:?"
)
_TYPE = re.compile(r"\s*[-*] \*\*Exception Type:?\*\*:? `?(?P<type>[\w.]+)`?\s*$")
_MESSAGE = re.compile(r"\s*[-*] \*\*Exception Message:?\*\*:? (?P<message>\S.*)$")
_EXECUTING = re.compile(
    r"\s*(?:\S+ )?Error occurred when executing [^:\n]{1,80}:\s*(?P<message>.*)$"
)
_BANG = re.compile(r"\s*(?:\S+ )?!!! Exception during processing ?!!!\s*(?P<message>\S.*)$")
_TRACEBACK = re.compile(r"\s*(?:Traceback \(most recent|File \")")
_NEAR = 3
"""The traceback behind ComfyUI's word of an exception begins within so many lines."""


def add_types(lines: Sequence[Line]) -> Sequence[Line]:
    """Return lines with the types of the exceptions that are shown by their messages alone."""
    if not any(_SHOWN.search(line.text) for line in lines):
        return lines
    typed = {line.number: line for line in _add_types(lines)}
    return tuple(typed.get(line.number, line) for line in lines) if typed else lines


_SHOWN = re.compile(
    r"\*\*Exception Message|Error occurred when executing |!!! Exception during proc"
    r"|\b(?:error|exception|err|exc|reason|cause)="
    r"|model! Reason: |Exception training model: |Error running job: |\bERROR cuda:\d"
)
_OWN_WORDS = (
    r"[^\n]*?(?:Could not load the [\w-]+ model! Reason: |Exception training model: '"
    r"|Error running job: |\bERROR cuda:\d+ )"
)
"""Those of Easy Diffusion, of the web UI's Dreambooth and of ai-toolkit."""

_GIVEN = re.compile(
    r"(?P<front>(?:[^\n]*?[\s,(:])?(?:error|exception|err|exc|reason|cause)=[\"'(]?"
    rf"|{_OWN_WORDS})"
    r"(?P<message>[^\s\"'(\[{].*|'\w+' .*)$"
)


def _add_types(lines: Sequence[Line]) -> Iterator[Line]:
    told = [line for line in lines if line.text.strip()]
    type_, is_next = "", False
    for at, line in enumerate(told):
        executing = _EXECUTING.match(line.text)
        if given := _TYPE.match(line.text):
            type_ = given["type"]
        elif found := _MESSAGE.match(line.text):
            yield from _name(line, found["message"], type_)
            type_ = ""
        elif executing or is_next:
            yield from _name(line, executing["message"] if executing else line.text.strip())
        elif (found := _BANG.match(line.text)) and not any(
            _TRACEBACK.match(one.text) for one in told[at + 1 : at + 1 + _NEAR]
        ):
            yield from _name(line, found["message"])
        elif found := _GIVEN.match(line.text):
            yield from _name_known(line, found["front"], found["message"])
        is_next = executing is not None and not executing["message"]


def _name(line: Line, message: str, type_: str = "") -> Iterator[Line]:
    """Yield a line with its message's exception; nothing if it has no message, or names it."""
    if message and not _NAMED.match(message) and not _TRACEBACK.match(message):
        yield replace(line, text=f"{type_ or find_type(message)}: {message}")


def _name_known(line: Line, front: str, message: str) -> Iterator[Line]:
    """Yield a line with its message's exception behind what is before it, if the type is known."""
    if not _NAMED.match(message) and (type_ := find_type(message)) != _MOST:
        yield replace(line, text=f"{front}{type_}: {message}")


def find_type(message: str) -> str:
    """Return the type of an exception by its message; that of most where nobody knows it."""
    return next((name for name, form in _messages() if form.match(message)), _MOST)


@cache
def _messages() -> Sequence[tuple[str, re.Pattern[str]]]:
    """Return how the messages of each type begin; the first that fits is taken."""
    table = read_table(Path(__file__).parent / "untyped.toml")
    found = tuple(
        (row.get("name", str), re.compile("|".join(row.strings("messages"))))
        for row in table.tables("type")
    )
    table.finish()
    return found


_MOST = "ValueError"
"""With which most packages refuse what they were given."""

"""Takes the message of an exception from the code that raises it, where the log ends there.

Of a long traceback people post the first part, or a site keeps no more. If the last frame's code is
`raise ValueError(f"...`, that is what Python would have printed next, but for the values in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sdcoreml.doctor.knowledge.frames import is_frame
from sdcoreml.doctor.knowledge.lines import Line

_RAISE = re.compile(r"\s*(?:(?:-+>|❱|>)\s*)?(?:\d+\s+)?raise (?P<type>[A-Z]\w*)\((?P<said>.*)$")
_TEXT = re.compile(r"""[rbfRBF]{0,2}(?P<quote>'''|\"\"\"|["'])(?P<said>.*?)(?:(?P=quote)|$)""")
_NUMBER = re.compile(r"^\s*(?:\d+\s+)?(?=[rbfRBF]{0,2}[\"'])")
_VALUE = re.compile(r"\{(?:[^{}!:]*[^\w{}!:])?(?P<name>\w+)[^\w{}!:]*(?:[!:][^{}]*)?\}")
_UNDERLINE = re.compile(r"[\s^~]*$")
_FEW = 6
"""The text of a message is written in so many lines of code at most."""


def complete_cut(lines: Sequence[Line]) -> Sequence[Line]:
    """Return lines whose last exception, if only its raising is told, has its message."""
    told = [one for one in lines if not _UNDERLINE.match(one.text)][-_FEW:]
    found = ((at, raised) for at, one in enumerate(told) if (raised := _RAISE.match(one.text)))
    at, raised = next(found, (0, None))
    rest = [one.text for one in told[at + 1 :]]
    is_last = any(is_frame(one.text) for one in told[:at]) and all(map(_NUMBER.match, rest))
    if raised is None or not is_last:
        return lines
    code = " ".join([raised["said"], *(_NUMBER.sub("", one) for one in rest)])
    message = "".join(part["said"] for part in _TEXT.finditer(code))
    if not message.strip():
        return lines
    typed = replace(told[at], text=f"{raised['type']}: {_VALUE.sub(_name, message)}")
    return tuple(typed if one.number == typed.number else one for one in lines)


def _name(value: re.Match[str]) -> str:
    return value["name"]

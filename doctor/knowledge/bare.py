"""Says in words what a Python error without a message of its own means, by the code that raised it.

`KeyError: 'params'` says nothing to who did not write the program. The traceback shows the line
that was run, `clip_target.params = clip_config["params"]`, and with it what lacks what. What a
program calls its things is all that is known of them, and is said as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sdcoreml.doctor.knowledge.exceptions import Raised, is_frame
from sdcoreml.doctor.knowledge.lines import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A message of Python's own, how the code looks that raises it, and what is then the case.

    `code` finds the thing (`of`) in the line of code; {name} stands for a group of the message.
    """

    message: str
    code: str
    said: str


_THING = r"(?P<of>[A-Za-z_][\w.]*(?:\[[^\[\]\s]{1,40}\][\w.]*)*)"
_EMPTY = "{of} is empty (None){where}"
FORMS = (
    Form(
        message=r"KeyError: (?P<key>'[^'\n]{1,80}'|\d+)",
        code=rf"{_THING}\[f?[\"']?{{key}}[\"']?\]|{_THING}\.pop\(|{_THING}\[\w[\w.]*\]",
        said="{of} has no entry {key}{where}",
    ),
    Form(
        message=r"'NoneType' object has no attribute '(?P<name>\w+)'",
        code=rf"{_THING}\.{{name}}\b",
        said=_EMPTY,
    ),
    Form(
        message=r"'NoneType' object is not callable",
        code=rf"^(?:[\w., ]+ = |return |await )?{_THING}\(",
        said=_EMPTY,
    ),
    Form(
        message=r"'NoneType' object is not subscriptable",
        code=rf"{_THING}\[",
        said=_EMPTY,
    ),
    Form(
        message=r"'NoneType' object is not iterable|cannot unpack non-iterable NoneType object",
        code=rf"\bin {_THING}(?:\(|:|$)|, \w+ = {_THING}",
        said=_EMPTY,
    ),
    Form(
        message=r"(?:expected str, bytes or os\.PathLike object|argument should be a str[^\n]*)"
        r", not '?NoneType",
        code=rf"(?:\b(?:open|Path|load\w*|listdir|join|exists|isfile|isdir|basename|dirname)\()"
        rf"{_THING}",
        said="The path {of} is empty (None){where}",
    ),
    Form(
        message=r"(?:list|tuple|string) index out of range",
        code=rf"{_THING}\[(?:0|-1)\]",
        said="{of} is empty{where}",
    ),
    Form(
        message=r"(?:list|tuple|string) index out of range",
        code=rf"{_THING}\[[\w+ -]+\]",
        said="{of} has fewer entries than this code takes from it{where}",
    ),
    Form(
        message=r"^AssertionError:?\s*$",
        code=r"^assert (?P<of>[^\n,]{3,80}?)(?:,|$)",
        said="A check of the program, {of}, does not hold{where}",
    ),
)


def read_bare(raised: Raised, lines: Sequence[Line]) -> str:
    """Return what an exception means, as the beginning of a sentence; "" if its code is not shown.

    Args:
        raised: the exception.
        lines: the log.
    """
    is_whole = not raised.type or raised.type in raised.line.text
    text = raised.line.text if is_whole else f"{raised.type}: {raised.line.text}"
    for form in FORMS:
        said = re.search(form.message, text)
        for code in _find_code(raised, lines) if said else ():
            found = re.search(_put(form.code, said.groupdict() if said else {}), code)
            if said and found:
                of = next(
                    one for name, one in found.groupdict().items() if name[:2] == "of" and one
                )
                known = {
                    **said.groupdict(),
                    "of": of.removeprefix("self."),
                    "where": _where(raised),
                }
                return form.said.format(**known)
    return ""


def _put(code: str, groups: Mapping[str, str | None]) -> str:
    """Put what the message names in its place; let each group that is the thing have its name."""
    for name, value in groups.items():
        code = code.replace(f"{{{name}}}", re.escape((value or "").strip("'")))
    first, *others = code.split("(?P<of>")
    return first + "".join(f"(?P<of{number}>{part}" for number, part in enumerate(others))


def _where(raised: Raised) -> str:
    """Return in which function and file an exception was raised."""
    path, _, function = raised.steps[-1].rpartition(" ") if raised.steps else ("", "", "")
    file = "/".join(re.split(r"[/\\]", path)[-2:])
    named = "" if function in {"", "<module>"} else f" in {function}"
    return f"{named} ({file})" if file else named


def _find_code(raised: Raised, lines: Sequence[Line]) -> Iterator[str]:
    """Yield the code that raised an exception: the part that Python marks, then the whole line."""
    is_behind = raised.end > raised.line.number
    ran = range(raised.start, raised.end + 1 if is_behind else raised.line.number)
    shown = [one for one in lines if one.number in ran]
    last = max((one.number for one in shown if is_frame(one.text)), default=0)
    below = [one.text for one in shown if one.number > last] if last else []
    arrows = [found["code"] for text in below if (found := _ARROW.match(text))]
    for text, marks in pairwise([*below, ""]):
        if _MARKS.fullmatch(marks) and (marked := text[len(marks) - len(marks.lstrip()) :]):
            yield marked[: len(marks.strip())]
    yield from (text.strip() for text in (*arrows[-1:], *below) if not _MARKS.fullmatch(text))


_MARKS = re.compile(r"\s*[~^][~^ ]*")
_ARROW = re.compile(r"\s*(?:│\s*)?(?:-+>|❱|>)\s*\d+\s*(?:│\s?)?(?P<code>.*?)\s*│?$")
"""How notebooks and rich show the line of code among others."""

"""Says in words what a Python error without a message of its own means, by the code that raised it.

`KeyError: 'params'` says nothing to who did not write the program. The traceback shows the line
that was run, `clip_target.params = clip_config["params"]`, and with it what lacks what. What a
program calls its things is all that is known of them, and is said as it stands.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sdcoreml.doctor.knowledge import fill
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.frames import is_frame
from sdcoreml.doctor.knowledge.lines import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A message of Python's own, how the code looks that raises it, and what is then the case.

    `code` finds the thing (`of`) in the line of code, `rivals` what else in it may be that thing;
    {name} stands for a group of the message. `is_read` says that nothing is wrong with what the
    line gives a value to.
    """

    message: str
    code: str
    said: str
    rivals: str = ""
    is_read: bool = False


_THING = r"(?P<of>[A-Za-z_][\w.]*(?:\[[^\[\]\s]{1,40}\][\w.]*)*)"
_OWN = (
    r"(?!(?:print|len|str|int|float|list|dict|tuple|set|range|enumerate|zip|map|filter|sorted"
    r"|reversed|isinstance|getattr|hasattr|open|super|type|max|min|sum|any|all)\()"
)
"""What a program calls that is not Python's own."""

_EMPTY = "{of} is empty (None){where}"
_INDEX = r"(?:list|tuple|string) index out of range"
_ITEM = rf"{_THING}\[(?![\"':])|(?P<of>\))\["
_PATH = r"(?:expected str, bytes or os\.PathLike object|argument should be a str[^\n]*)"
_UNPACKED = r"'NoneType' object is not iterable|cannot unpack non-iterable NoneType object"
_KEY = r"KeyError: (?P<key>'[^'\n]{1,80}'|\d+)"
FORMS = (
    Form(
        message=_KEY,
        code=rf"{_THING}\[f?[\"']?{{key}}[\"']?\]",
        said="{of} has no entry {key}{where}",
        is_read=True,
    ),
    Form(
        message=_KEY,
        code=rf"{_THING}\.pop\(|{_THING}\[\w[\w.]*\]",
        said="{of} has no entry {key}{where}",
        is_read=True,
    ),
    Form(
        message=r"'NoneType' object has no attribute '(?P<name>\w+)'",
        code=rf"{_THING}\.{{name}}\b",
        said=_EMPTY,
    ),
    Form(
        message=r"'NoneType' object is not callable",
        code=rf"^(?:[\w., ]+ = |return |await )?{_OWN}{_THING}\(",
        rivals=rf"(?<![\w.]){_OWN}(?P<of>(?:self\.)?[a-z_]\w*)\(",
        said=_EMPTY,
    ),
    Form(
        message=r"'NoneType' object is not subscriptable",
        code=rf"{_THING}\[",
        said=_EMPTY,
    ),
    Form(
        message=_UNPACKED,
        code=rf"\bin {_OWN}{_THING}\(|, \w+ = {_OWN}{_THING}\(",
        rivals=rf"\bin {_OWN}{_THING}",
        said="{of}() gives nothing (None){where}",
    ),
    Form(
        message=_UNPACKED,
        code=rf"\bin {_THING}(?=:|$)|, \w+ = {_THING}\s*$",
        rivals=rf"\bin {_OWN}{_THING}",
        said=_EMPTY,
    ),
    Form(
        message=rf"{_PATH}, not '?NoneType",
        code=rf"(?:\b(?:open|Path|load\w*|listdir|join|exists|isfile|isdir|basename|dirname)\()"
        rf"{_THING}",
        rivals=rf"\bjoin\([^()]*?, {_THING}",
        said="The path {of} is empty (None){where}",
    ),
    Form(
        message=_INDEX,
        code=rf"{_THING}\[(?:0|-1)\]",
        rivals=_ITEM,
        said="{of} is empty{where}",
        is_read=True,
    ),
    Form(
        message=_INDEX,
        code=rf"{_THING}\[[\w+ -]+\]",
        rivals=_ITEM,
        said="{of} has fewer entries than this code takes from it{where}",
        is_read=True,
    ),
)
_CHECK = "A check of the program, {of}, does not hold{where}"


def read_bare(raised: Raised, lines: Sequence[Line]) -> str:
    """Return what an exception means, as the beginning of a sentence; "" if its code is not shown.

    Where the code has several things that it may be about, nobody knows which.

    Args:
        raised: the exception.
        lines: the log.
    """
    is_whole = not raised.type or raised.type in raised.line.text
    text = raised.line.text if is_whole else f"{raised.type}: {raised.line.text}"
    where = _where(raised)
    if _FAILED.search(text):
        checks = (one for code in _find_code(raised, lines) if (one := _read_check(code)))
        return next((_CHECK.format(of=one, where=where) for one in checks), "")
    for form in FORMS:
        said = re.search(form.message, text)
        for code in _find_code(raised, lines) if said else ():
            groups = said.groupdict() if said else {}
            found = _find_things(form, groups, _strip(code, is_read=form.is_read))
            if len(found) > 1:
                return ""
            for of in found:
                return _begin(form.said.format(**{**groups, "of": of, "where": where}))
    return ""


_FAILED = re.compile(r"^AssertionError:?\s*$")
_MOST = 80
"""A longer check says nothing to who did not write it."""


def _read_check(code: str) -> str:
    """Return what a line of code says that must hold; "" if it says nothing, or was cut."""
    try:
        first = ast.parse(code).body[:1]
    except SyntaxError:
        return ""
    said = [ast.get_source_segment(code, one.test) for one in first if isinstance(one, ast.Assert)]
    return next((one for one in said if one and len(one) <= _MOST), "")


def _find_things(form: Form, groups: Mapping[str, str | None], code: str) -> frozenset[str]:
    """Return what in a line of code a message may be about; nothing if the form does not fit."""
    own = [*_search(_put(form.code, groups), code)]
    others = _search(_put(form.rivals, groups), code) if form.rivals and own else ()
    return frozenset(one.removeprefix("self.") for one in (*own, *others))


def _search(pattern: str, code: str) -> Iterator[str]:
    """Yield what a pattern takes for the thing, also inside of what it takes for it."""
    for found in re.finditer(pattern, code):
        named = (one for name, one in found.groupdict().items() if name[:2] == "of" and one)
        for of in named:
            yield of
            inner = re.finditer(pattern, of)
            yield from (one for each in inner for one in each.groupdict().values() if one)


def _strip(code: str, *, is_read: bool) -> str:
    """Return code without its comment and the words of its strings; keys stay, and what is read."""
    bare = _LITERAL.sub(_keep, code)
    return _TARGET.sub(r"\g<of> =", bare) if is_read else bare


def _keep(literal: re.Match[str]) -> str:
    """Return what of a string, or of a comment, is code: a key, and what an f-string asks for."""
    text, (start, end) = literal[0], literal.span()
    if literal.string[start - 1 : start] == "[" and literal.string[end : end + 1] == "]":
        return text
    is_filled = "f" in text.lower().partition(text[-1])[0]
    return " ".join(_ASKED.findall(text)) if is_filled else "''" if text[0] != "#" else ""


_LITERAL = re.compile(
    r"\b[rbfuRBFU]{1,2}(?=[\"'])(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')"
    r"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|#.*|[\"'].*"
)
_ASKED = re.compile(r"\{([^{}]+)\}")
_TARGET = re.compile(rf"^{_THING}\[[^\[\]]*\]\s*=(?!=)")


def _begin(said: str) -> str:
    """Return a sentence, with a word before what a program calls a thing if that gets a capital."""
    return said if fill(said) == said else f"Here {said}"


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
    function = re.sub(r"(?:\.<locals>|\.?<(?!module)\w+>)+$|\.$", "", function)
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

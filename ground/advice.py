"""Spells commands so that the user can paste them into their shell.

Messages write a command in one form, in backticks: `sdcoreml env repair`, or `python -m
sdcoreml.convert ...` for the second program, which takes diffusers' options. All output passes
through `spell`, which rewrites the command for how the tool was started: by make, by a path, by
its name on PATH, or by `python -m`.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from sdcoreml.ground.places import ROOT, is_checkout

TOOL = "sdcoreml"
UNPACK = ("python", "-m", "sdcoreml.convert")
"""The command of the second program, which takes the options of diffusers' conversion script."""

BY_MAKE = "SDCOREML_BY_MAKE"
"""The environment variable that the Makefile sets, so that the tool knows that make started it."""

HOST = ".venv/bin"
_MODULES = frozenset({"sdcoreml", "doctor", "convert"})
"""The packages with a `__main__.py`, which `python -m` can start."""

VARIABLES: Mapping[str, Mapping[str, str]] = {
    "doctor": {"": "MODEL", "--output": "OUT", "--attention": "ATTENTION", "--size": "SIZE"},
    "env": {},
    "convert": {
        "": "MODEL",
        "--output": "OUT",
        "--attention": "ATTENTION",
        "--size": "SIZE",
        "--bits": "BITS",
    },
    "verify": {"": "OUT", "--against": "MODEL"},
}
"""For each Makefile target, the make variable for each option, and for the first argument ("")."""

CHOICES = {"--toolchain": "TOOLCHAIN", "--backend": "BACKEND"}
"""The variables that every target of the Makefile takes."""

_COMMAND = re.compile(r"`((?:sdcoreml|python -m sdcoreml\.convert)(?: (?:'[^']*'|[^`'])*)?)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How the tool was started: its command, its Python, and whether make can be used.

    `chosen` holds the variables given to make; the make commands that we advise repeat them.
    """

    program: tuple[str, ...] = (TOOL,)
    python: str = "python"
    has_make: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)


def find_start(
    script: str, interpreter: str, environ: Mapping[str, str], here: Path, clone: Path | None
) -> Start:
    """Find out how the tool was started.

    Args:
        script: `sys.argv[0]`.
        interpreter: how Python was called.
        environ: the variables of this process.
        here: the current folder.
        clone: the checkout that holds the tool, if one does.
    """
    is_home = clone is not None and here.resolve() == clone.resolve()
    by_make = is_home and bool(environ.get(BY_MAKE))
    host = Path(HOST, TOOL)
    if Path(script).name == TOOL and not by_make:
        import shutil  # it brings three compressors, which nobody else needs at start

        found = shutil.which(TOOL, path=environ.get("PATH", os.defpath))
        is_on_path = found is not None and os.path.realpath(found) == os.path.realpath(script)
        python = sys.executable if is_on_path else os.fspath(Path(script).with_name("python"))
        return Start(program=(TOOL if is_on_path else script,), python=python)
    is_module = Path(script).name == "__main__.py" and Path(script).parent.name in _MODULES
    if by_make or (is_home and is_module and (here / host).exists()):
        chosen = {name: environ[name] for name in CHOICES.values() if environ.get(name)}
        return Start(
            program=(os.fspath(host),),
            python=os.fspath(host.with_name("python")),
            has_make=by_make,
            chosen=chosen if by_make else {},
        )
    if is_module:  # in a bare clone, make brings what the tool needs
        program = (interpreter, "-m", TOOL)
        return Start(program=program, python=interpreter, has_make=is_home)
    return Start()


@cache
def start_here() -> Start:
    """Find out how this process was started."""
    return find_start(
        sys.argv[0], sys.orig_argv[0], os.environ, Path.cwd(), ROOT if is_checkout() else None
    )


def spell(text: str, start: Start | None = None) -> str:
    """Return the text with every command in backticks spelled as this process was started."""
    if "`" not in text:
        return text
    way = start or start_here()
    return _COMMAND.sub(lambda found: f"`{_spell_line(found[1], way)}`", text)


def spell_words(command: Sequence[str], start: Start | None = None) -> tuple[str, ...]:
    """Spell a command's words as this process was started; leave other programs' commands alone."""
    way = start or start_here()
    words = tuple(command)
    if words[: len(UNPACK)] == UNPACK:
        return (way.python, *words[1:])
    if words[:1] != (TOOL,):
        return words
    return (way.has_make and _by_make(words[1:], way)) or (*way.program, *words[1:])


def command(*words: str | os.PathLike[str]) -> str:
    """Quote one of our commands for a shell and put it in backticks, for use in a message."""
    return f"`{shlex.join((TOOL, *(os.fspath(word) for word in words)))}`"


def _spell_line(line: str, way: Start) -> str:
    """Like `spell_words`, but without quoting, so that `MODEL` and `...` stay readable."""
    head = shlex.join(UNPACK)
    if line.startswith(head):
        return f"{shlex.quote(way.python)}{line.removeprefix('python')}"
    words = shlex.split(line)
    if way.has_make and (made := _by_make(words[1:], way)):
        return " ".join(_quote_value(word) for word in made)
    return shlex.join(way.program) + line.removeprefix(TOOL)


def _quote_value(word: str) -> str:
    """Quote a word for a shell; in `NAME=value`, only the value."""
    name, equals, value = word.partition("=")
    return f"{name}={shlex.quote(value)}" if equals and value else shlex.quote(word)


def _by_make(words: Sequence[str], way: Start) -> tuple[str, ...]:
    """Return `make TARGET NAME=value ...` for a verb and its options; empty if make cannot."""
    goal, *rest = words or ("",)
    if goal not in VARIABLES:
        return ()
    if goal == "env" and rest[:1] == ["lock"]:
        goal, rest = "lock", rest[1:]
    if goal == "env" and rest[:1] == ["build"]:
        rest = rest[1:]
    known = {**VARIABLES.get(goal, {}), **CHOICES}
    values, others = dict(way.chosen), []
    if "" in known and rest and not rest[0].startswith("-"):
        values[known[""]] = rest.pop(0)
    while rest:
        word = rest.pop(0)
        if word in known and rest and known[word] not in {*values} - {*way.chosen}:
            values[known[word]] = rest.pop(0)
        else:
            others.append(word)
    more = shlex.join(others)
    if "$" in more or "" in values.values():  # make would take these for its own
        return ()
    pairs = {**values, **({"ARGS": more} if more else {})}
    return ("make", goal, *(f"{name}={value}" for name, value in pairs.items()))

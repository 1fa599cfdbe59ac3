"""Tells what the names in a log are names of: of a known package, a program, a path, a device.

A wording that many logs have says what is wrong with what it names, if that is what it is taken
for: of `No module named X` little is known if nobody knows X. What a pattern captures is therefore
looked up: in the toolchain's packages (`history.toml`), in those of the field, in programs and apps
(`names.toml`), in Python's own modules.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.history import history
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.table import read_table


class Kind(Enum):
    """What a name is a name of."""

    PACKAGE = "a package that is known, or a part of one"
    PYTHON = "a module of Python itself"
    OWN = "a file or folder of the program that ran"
    BUILD = "a build for one kind of hardware"
    PROGRAM = "a program"
    PATH = "a path"
    DEVICE = "a device of torch"


MEANT: Mapping[str, frozenset[Kind]] = {
    "module": frozenset({Kind.PACKAGE}),
    "package": frozenset({Kind.PACKAGE}),
    "asked": frozenset({Kind.PACKAGE}),
    "build": frozenset({Kind.BUILD, Kind.PACKAGE}),
    "command": frozenset({Kind.PROGRAM, Kind.PACKAGE}),
    "path": frozenset({Kind.PATH}),
    "file": frozenset({Kind.PATH}),
    "folder": frozenset({Kind.PATH}),
    "device": frozenset({Kind.DEVICE}),
}
"""What the groups of patterns take for what they capture; other groups capture no names."""

_BUILD = re.compile(r".*\+(?:cu|rocm)\d|(?:cuda|cudnn|pytorch-cuda|libcublas|nvidia)")
_OF_CONDA = re.compile(r"[\w.-]+=[\w.]+=\w*_\d+$")
_DEVICE = re.compile(r"(?i)(?:torch\.)?(?:cpu|cuda|mps|meta)(?::\d+)?$")
_PATH = re.compile(r"[/\\]|^~|\.\w+$|^[\w-]+$")
"""A path has a separator or an ending, or is one word: a folder's or a file's name."""

_NO_PATHS = frozenset({"", "None", "null", "undefined", "nan", "True", "False"})

_SPECIFIER = re.compile(r"[=<>!~;@\[( ].*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of names.toml, as `normalise` spells those of packages."""

    toolchain: frozenset[str]
    field: frozenset[str]
    others: frozenset[str]
    programs: frozenset[str]
    apps: frozenset[str]
    extensions: frozenset[str]

    @property
    def packages(self) -> frozenset[str]:
        """All packages."""
        return self.toolchain | self.field | self.others


@cache
def names() -> Names:
    """Read names.toml, and the toolchain's packages from history.toml."""
    table = read_table(Path(__file__).parent / "names.toml")
    projects = {
        (module, project)
        for module, project in history().projects.items()
        if project != _PYTHON
        and module not in history().others
        and (module.islower() or module == "PIL")
    }
    field = frozenset(map(normalise, table.strings("field")))
    found = Names(
        toolchain=frozenset(normalise(one) for pair in projects for one in pair),
        field=field,
        others=frozenset(map(normalise, (*table.strings("others"), *_dated()))) - field,
        programs=frozenset(table.strings("programs")),
        apps=frozenset(table.strings("apps")),
        extensions=frozenset(table.strings("extensions")),
    )
    table.finish()
    return found


def _dated() -> tuple[str, ...]:
    """Return the packages that are dated (see `releases`) and are not of the field."""
    return tuple(one for pair in history().others.items() for one in pair)


_PYTHON = "python"


def find_kinds(name: str, own: frozenset[str] = frozenset()) -> frozenset[Kind]:
    """Return all that a name can be a name of; empty if nobody knows it.

    Args:
        name: what a pattern captured.
        own: the files and folders of the program's own code, without endings.
    """
    name = name.strip("'\"`. ")
    top = _SPECIFIER.sub("", name).partition(".")[0]
    is_own = top in own
    is_package = normalise(top) in names().packages
    told = {
        Kind.PACKAGE: (is_package and not is_own) or _OF_CONDA.match(name),
        Kind.PYTHON: top in sys.stdlib_module_names,
        Kind.OWN: is_own,
        Kind.BUILD: _BUILD.match(name),
        Kind.PROGRAM: name in names().programs,
        Kind.PATH: _PATH.search(name) and name not in names().programs | _NO_PATHS,
        Kind.DEVICE: _DEVICE.match(name),
    }
    return frozenset(kind for kind, is_one in told.items() if is_one)


def are_known(captured: Mapping[str, str], own: frozenset[str]) -> bool | None:
    """Return whether all that a pattern captured is what it takes it for; None if it names nothing.

    Args:
        captured: what the pattern's groups captured.
        own: the files and folders of the program's own code, without endings.
    """
    # Of Python's own modules history.toml knows since or until when they have a name.
    is_pythons = captured.get("asked") == _PYTHON
    named = {} if is_pythons else captured
    meant = [(name, MEANT[group]) for group, name in named.items() if group in MEANT]
    return (
        all(find_kinds(name, own) & kinds for name, kinds in meant) if meant else is_pythons or None
    )


def find_own(chains: Sequence[Sequence[Raised]]) -> frozenset[str]:
    """Return the names of the files and folders of code that belongs to no package."""
    paths = (step.rpartition(" ")[0] for chain in chains for one in chain for step in one.steps)
    return frozenset(
        part.removesuffix(".py")
        for path in paths
        if not _INSTALLED.search(path)
        for part in re.split(r"[/\\]", path)[-_OWN:]
    )


_INSTALLED = re.compile(r"(?:site|dist)-packages[/\\]|[/\\][Pp]ython[\d.]*[/\\]|^<")
_OWN = 2
"""A file's name and that of its folder are what it is imported by."""


def is_of_the_field(chain: Sequence[Raised]) -> bool | None:
    """Return whether a chain's exceptions passed through code of the field; None if nobody knows.

    Of an app's extension nobody knows what it is for.
    """
    packages = {normalise(package) for one in chain for package in one.packages}
    known = names()
    folders = _folders(chain)
    if packages & (known.toolchain | known.field):
        return True
    if not any(one.steps for one in chain):
        return None
    return bool(folders & known.apps) and not folders & known.extensions


def _folders(chain: Sequence[Raised]) -> frozenset[str]:
    return frozenset(
        part.lower() for one in chain for step in one.steps for part in re.split(r"[/\\]", step)
    )

"""Checks, their findings, and the severity of findings.

A check is a function from facts to findings: a generator decorated by `@check("PIN001",
CheckFamily.PINS)`, with parameters named after fields of `Facts`. The first line of its docstring
is its title, the rest its `explain` page. It neither reads files nor runs programs nor prints. If
one of its facts is absent the engine skips it; if one is unknown, so is the result. A parameter
with the default None gets None for an absent fact, so that the check can report the absence.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias


class Status(enum.Enum):
    """The status of a check, from the best to the worst."""

    SKIPPED = "skipped"
    OK = "ok"
    INFO = "info"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """The position in the order from best to worst."""
        return list(Status).index(self)


class CheckFamily(enum.Enum):
    """The subject of a check; the value is the heading in the report."""

    SYSTEM = "System"
    PYTHON = "Python"
    PINS = "Pins"
    ENVIRONMENT = "Environment"
    NATIVE = "Native code"
    GIT = "Git"
    XCODE = "Xcode"
    DISK = "Disk"
    MEMORY = "Memory"
    HUB = "Hub"
    MODEL = "Model"
    BUNDLE = "Bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A remedy: in words, and as commands (argument lists) that `--fix` may run.

    `safe` commands can be repeated or undone and destroy nothing; those that delete, overwrite or
    need a password are never safe.
    """

    title: str = field(kw_only=False)
    commands: tuple[tuple[str, ...], ...] = ()
    safe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding of a check: what it is, why it matters, how to fix it, and the evidence.

    `where` is a path; if empty, the engine fills in the examined environment, model or folder.
    """

    what: str = field(kw_only=False)
    status: Status
    why: str = ""
    fix: Fix | None = None
    where: str = ""
    evidence: Mapping[str, str] = field(default_factory=dict)


Findings: TypeAlias = Iterable[Finding]


ok = partial(Finding, status=Status.OK)
"""Make a finding that all is well: a short fact for the family's line in the report."""

info = partial(Finding, status=Status.INFO)
"""Make a finding that needs no action."""

warning = partial(Finding, status=Status.WARNING)
"""Make a finding of something that works, but may fail later or works poorly."""

error = partial(Finding, status=Status.ERROR)
"""Make a finding of something that prevents the goal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check with its id: it takes the facts `needs`, in order; `optional` ones may be absent."""

    id: str
    family: CheckFamily
    title: str
    page: str
    needs: tuple[str, ...]
    optional: frozenset[str]
    function: Callable[..., Findings]

    def __call__(self, *facts: Any) -> Findings:  # noqa: ANN401  one signature for every check
        """Return the findings for these facts, given in the order of `needs`."""
        return self.function(*facts)


def check(name: str, family: CheckFamily) -> Callable[[Callable[..., Findings]], Check]:
    """Turn a function into a `Check`; to be run, it must also be listed in `doctor.checks`."""

    def make(function: Callable[..., Findings]) -> Check:
        title, _, page = (function.__doc__ or "").strip().partition("\n")
        if not title:
            raise TypeError(f"{name} needs a docstring: its first line is the title")
        code = function.__code__
        needs = code.co_varnames[: code.co_argcount]
        return Check(
            id=name,
            family=family,
            title=title.rstrip("."),
            page="\n".join(line.strip() for line in page.strip().splitlines()),
            needs=needs,
            optional=frozenset(needs[len(needs) - len(function.__defaults__ or ()) :]),
            function=function,
        )

    return make

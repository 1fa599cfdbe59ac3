"""Checks, their findings, and how severe those are.

A check is a function from facts to findings: `@check("PIN001", Family.PINS)` above a generator
whose parameters are named after the fields of `Facts` it looks at. Its docstring's first line is
its title, the rest its `explain` page. It neither reads files nor runs programs nor prints. When a
fact it asks for is absent the check is skipped, when unknown it is unknown: neither is its concern.
A parameter with the default None is for a check that has something to say about the absence.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias


class Status(enum.Enum):
    """The status of a check, from nothing to report to the worst, by rising `rank`."""

    SKIPPED = "skipped"
    OK = "ok"
    INFO = "info"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Place in the order above."""
        return list(Status).index(self)


class CheckFamily(enum.Enum):
    """The subject of a check; the value is its heading in the report."""

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
    """A remedy: in words, and as argument lists that `--fix` may run.

    `safe` is for what can be repeated or undone and destroys nothing; anything that deletes,
    overwrites or needs a password never is.
    """

    title: str = field(kw_only=False)
    commands: tuple[tuple[str, ...], ...] = ()
    safe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding of a check: what, why it matters, what to do, and the evidence.

    `where` is a path; the engine fills it with that of the environment, model or folder examined.
    """

    what: str = field(kw_only=False)
    status: Status
    why: str = ""
    fix: Fix | None = None
    where: str = ""
    evidence: Mapping[str, str] = field(default_factory=dict)


Findings: TypeAlias = Iterable[Finding]


ok = partial(Finding, status=Status.OK)
"""A short fact, shown in the family's line if all is well."""

info = partial(Finding, status=Status.INFO)
"""Something to know that needs no action."""

warning = partial(Finding, status=Status.WARNING)
"""Something that works, but may fail later, or works poorly."""

error = partial(Finding, status=Status.ERROR)
"""Something that makes a goal fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A registered check: it takes the facts `needs`, in order; `optional` ones may be absent."""

    id: str
    family: CheckFamily
    title: str
    page: str
    needs: tuple[str, ...]
    optional: frozenset[str]
    function: Callable[..., Findings]

    def __call__(self, *facts: Any) -> Findings:  # noqa: ANN401  one signature for every check
        """The findings for these facts, given in the order of `needs`."""
        return self.function(*facts)


def check(name: str, family: CheckFamily) -> Callable[[Callable[..., Findings]], Check]:
    """Make a check of a function. Registration is by the tuple in `doctor.checks`, not by this."""

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

"""Makes a report from facts: runs every selected check once.

Nothing here looks at the machine. A check that needs an absent fact is skipped, one that needs an
unknown fact is unknown, and one that crashes is a finding of its own: the rest still runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sdcoreml.doctor.core.check import Check, CheckFamily, Finding, Fix, Status
from sdcoreml.doctor.core.facts import Absent, Facts, Unknown
from sdcoreml.ground.errors import SdcoremlError

DEFAULT_TOOLCHAIN = "tested"
DEFAULT_BACKEND = "venv"
"""The default toolchain and backend of make and the command line."""

_SUBJECTS = frozenset({"bundle", "checkout", "conda", "environment", "model", "output"})
"""Facts about something with a path, which is the place of their findings."""

SCHEMA = 1
"""Raised when a field of the report changes its meaning or goes; new fields do not raise it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """A check or family to ignore, and the reason."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The checks to run (ids, prefixes or families; all if empty), and those to demote."""

    select: tuple[str, ...] = ()
    ignore: tuple[Ignore, ...] = ()

    def takes(self, check: Check) -> bool:
        """Whether the check is to run."""
        return not self.select or any(names(word, check) for word in self.select)

    def excuse(self, check: Check) -> str:
        """The reason given for ignoring the check, or nothing."""
        return next((entry.reason for entry in self.ignore if names(entry.what, check)), "")


def names(word: str, check: Check) -> bool:
    """Whether `word` selects the check: its id, the letters of its id, or its family."""
    word = word.casefold()
    family = {check.family.value.casefold(), check.family.name.casefold()}
    return word in {check.id.casefold(), check.id.rstrip("0123456789").casefold()} | family


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check's outcome. `reason` says why it was skipped, unknown or ignored."""

    id: str
    family: CheckFamily
    title: str
    status: Status
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    ignored: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalVerdict:
    """The answer for one goal. `answer` is "yes", "no" or "unknown"; `because` are check ids.

    `needs` says what the job takes here, in words ("0.7 GB of memory, 8.1 GB of disk").
    """

    goal: str
    answer: str
    sentence: str
    because: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report, which the renderers show.

    `costs` are seconds by fact group, `left_out` what there was no time for; `changes` what differs
    from other facts (those of the last good run, or of another machine), likeliest culprits first,
    and `compared` says which. `ruling` is the judgement of the model, if one was examined.
    """

    toolchain: str
    target: str
    results: tuple[Result, ...]
    verdicts: tuple[GoalVerdict, ...] = ()
    seconds: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    compared: str = ""
    ruling: Mapping[str, str | None] | None = None
    schema: int = SCHEMA

    def count(self, status: Status) -> int:
        """The number of checks with this status."""
        return sum(result.status is status for result in self.results)

    def problems(self) -> tuple[Result, ...]:
        """The checks with something to say, worst first, otherwise in their order."""
        said = [result for result in self.results if result.status.rank > Status.OK.rank]
        return tuple(sorted(said, key=lambda result: -result.status.rank))


def examine(facts: Facts, checks: Sequence[Check], selection: Selection | None = None) -> Report:
    """Run the selected checks over the facts."""
    chosen = selection or Selection()
    begun = time.perf_counter()
    flags = _environment_flags(facts)
    results = tuple(
        _demote_ignored(_judge(check, facts, flags), chosen.excuse(check))
        for check in checks
        if chosen.takes(check)
    )
    return Report(
        toolchain=getattr(facts.toolchain, "name", ""),
        target=getattr(facts.system, "target", ""),
        results=results,
        seconds=time.perf_counter() - begun,
    )


def _judge(check: Check, facts: Facts, flags: Mapping[str, str]) -> Result:
    """One check's result; it only runs if no fact it needs is absent or unknown."""
    outcome = Result(id=check.id, family=check.family, title=check.title, status=Status.OK)
    known = {name: getattr(facts, name) for name in check.needs}
    for name, value in known.items():
        if isinstance(value, Absent) and name not in check.optional:
            return replace(outcome, status=Status.SKIPPED, reason=value.reason)
    for name, value in known.items():
        if isinstance(value, Unknown):
            reason = f"could not look at {name}: {value.reason}"
            return replace(outcome, status=Status.UNKNOWN, reason=reason)
    values = [None if isinstance(value, Absent) else value for value in known.values()]
    begun = time.perf_counter()
    try:
        findings = tuple(
            _add_environment_flags(_place(one, known), flags) for one in check(*values)
        )
    except SdcoremlError as error:  # one of our own sentences: it says what to do
        return replace(outcome, status=Status.UNKNOWN, reason=str(error))
    except Exception as error:  # noqa: BLE001  a crash in one check must not silence the others
        findings = (_crash(check, error),)
    return replace(
        outcome,
        status=worst(finding.status for finding in findings),
        findings=findings,
        seconds=time.perf_counter() - begun,
    )


def worst(statuses: Iterable[Status]) -> Status:
    """The highest of these, ok when there are none."""
    return max(statuses, key=lambda status: status.rank, default=Status.OK)


def _crash(check: Check, error: Exception) -> Finding:
    """The result of a check that raised an error, which is our fault."""
    return Finding(
        status=Status.UNKNOWN,
        what=f"the check itself failed: {type(error).__name__}: {error}",
        why="This is a fault in sdcoreml; nothing is known about what it examines.",
        fix=Fix(f"report it, with the output of `sdcoreml doctor --select {check.id} --json`"),
    )


def _environment_flags(facts: Facts) -> Mapping[str, str]:
    """Options for the toolchain and backend of these facts, if they are not the defaults."""
    named = {
        "toolchain": getattr(facts.toolchain, "name", ""),
        "backend": getattr(facts.toolchain, "backend", ""),
    }
    defaults = {"toolchain": DEFAULT_TOOLCHAIN, "backend": DEFAULT_BACKEND}
    return {key: value for key, value in named.items() if value not in {"", defaults[key]}}


def _place(finding: Finding, known: Mapping[str, object]) -> Finding:
    """The place of a finding without one: the path of the check's first subject."""
    paths = (getattr(value, "path", "") for name, value in known.items() if name in _SUBJECTS)
    if finding.where or finding.status is Status.OK:
        return finding
    return replace(finding, where=next(filter(None, paths), ""))


def _add_environment_flags(finding: Finding, flags: Mapping[str, str]) -> Finding:
    """Make a fix name the examined environment, so that checks need not know which it is.

    Without these options, `sdcoreml env` acts on the default one.
    """
    if finding.fix is None:
        return finding
    commands = tuple(
        (*command, *_options(flags, _FLAGGED.get(command[1], ())))
        for command in finding.fix.commands
    )
    return replace(finding, fix=replace(finding.fix, commands=commands))


_FLAGGED: Mapping[str, tuple[str, ...]] = {
    "env": ("toolchain", "backend"),
    "convert": ("toolchain",),
}
"""The verbs that act on an environment, and their options that select it."""


def _options(flags: Mapping[str, str], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for name in names if name in flags for word in (f"--{name}", flags[name]))


def _demote_ignored(result: Result, reason: str) -> Result:
    """Demote ignored findings, which stay in the report."""
    if not reason or result.status.rank <= Status.INFO.rank:
        return result
    return replace(result, status=Status.INFO, ignored=reason)


def exit_code(report: Report, fail_on: Status = Status.ERROR) -> int:
    """0 if nothing reaches `fail_on`, 1 if something does, 3 if everything is unknown."""
    judged = [result.status for result in report.results if result.status is not Status.UNKNOWN]
    if any(status.rank >= fail_on.rank for status in judged):
        return 1
    return 3 if report.count(Status.UNKNOWN) else 0

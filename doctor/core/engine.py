"""Runs every selected check over the facts and makes the report.

It does not look at the machine. A check that needs an absent fact is skipped, one that needs an
unknown fact has the result unknown, and a crash becomes a finding: the other checks still run.
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
"""The default backend of make and of the command line, like `DEFAULT_TOOLCHAIN`."""
PROVING = "SDCOREML_PROVING"
"""Set in the conversions by which `env prove` proves a toolchain: it need not be said there."""

_SUBJECTS = frozenset({"bundle", "checkout", "conda", "environment", "model", "output"})
"""The facts that have a path; findings about them show that path by default."""

SCHEMA = 1
"""The report's version, raised when a field is removed or changes its meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """A check or family to ignore, and the reason."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The checks to run (see `names`; all if empty), and those whose findings become info."""

    select: tuple[str, ...] = ()
    ignore: tuple[Ignore, ...] = ()

    def takes(self, check: Check) -> bool:
        """Return True if the check is to be run."""
        return not self.select or any(names(word, check) for word in self.select)

    def excuse(self, check: Check) -> str:
        """Return the reason for ignoring the check, or ""."""
        return next((entry.reason for entry in self.ignore if names(entry.what, check)), "")


def names(word: str, check: Check) -> bool:
    """Return True if `word` is the check's id, the letters of its id, or its family."""
    word = word.casefold()
    family = {check.family.value.casefold(), check.family.name.casefold()}
    return word in {check.id.casefold(), check.id.rstrip("0123456789").casefold()} | family


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one check; `reason` says why it was skipped, unknown or ignored."""

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
    """The verdict for one goal: `answer` is "yes", "no" or "unknown"; `because` are check ids.

    `needs` says in words what the job takes ("0.7 GB of memory, 8.1 GB of disk").
    """

    goal: str
    answer: str
    sentence: str
    because: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The doctor's report, to be rendered as text or JSON.

    `costs` are seconds by group of facts, `left_out` groups for which there was no time. `changes`
    are differences from other facts, the likeliest culprits first, and `compared` says from which
    (the last good run, or another machine). `ruling` is the judgement of the model, if any.
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
        """Return the number of checks with this status."""
        return sum(result.status is status for result in self.results)

    def problems(self) -> tuple[Result, ...]:
        """Return the results that need attention, the worst first, otherwise in their order."""
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
    """Return one check's result; it runs only if all facts that it needs are known."""
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
    except SdcoremlError as error:  # an error of ours, which already says what to do
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
    """Return the worst of these, ok if there are none."""
    return max(statuses, key=lambda status: status.rank, default=Status.OK)


def _crash(check: Check, error: Exception) -> Finding:
    """Return a finding about a check that raised an error, which is a bug of ours."""
    return Finding(
        status=Status.UNKNOWN,
        what=f"the check itself failed: {type(error).__name__}: {error}",
        why="This is a bug in sdcoreml; what the check examines is unknown.",
        fix=Fix(f"report it, with the output of `sdcoreml doctor --select {check.id} --json`"),
    )


def _environment_flags(facts: Facts) -> Mapping[str, str]:
    """Return the options for these facts' toolchain and backend, unless they are the defaults."""
    toolchain = facts.toolchain
    named = {
        "toolchain": getattr(toolchain, "address", "") or getattr(toolchain, "name", ""),
        "backend": getattr(toolchain, "backend", ""),
    }
    defaults = {"toolchain": DEFAULT_TOOLCHAIN, "backend": DEFAULT_BACKEND}
    return {key: value for key, value in named.items() if value not in {"", defaults[key]}}


def _place(finding: Finding, known: Mapping[str, object]) -> Finding:
    """Fill in the `where` of a finding: the path of the first of its check's facts that has one."""
    paths = (getattr(value, "path", "") for name, value in known.items() if name in _SUBJECTS)
    if finding.where or finding.status is Status.OK:
        return finding
    return replace(finding, where=next(filter(None, paths), ""))


def _add_environment_flags(finding: Finding, flags: Mapping[str, str]) -> Finding:
    """Add the examined environment's options to a fix's commands, so that checks need not.

    Without these options, `sdcoreml env` acts on the default environment.
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
"""The verbs that act on an environment, and the options by which each selects it."""


def _options(flags: Mapping[str, str], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for name in names if name in flags for word in (f"--{name}", flags[name]))


def _demote_ignored(result: Result, reason: str) -> Result:
    """Lower the status of ignored findings, which stay in the report."""
    if not reason or result.status.rank <= Status.INFO.rank:
        return result
    return replace(result, status=Status.INFO, ignored=reason)


def exit_code(report: Report, fail_on: Status = Status.ERROR) -> int:
    """Return 1 if a known result reaches `fail_on`; else 3 if one is unknown; else 0."""
    judged = [result.status for result in report.results if result.status is not Status.UNKNOWN]
    if any(status.rank >= fail_on.rank for status in judged):
        return 1
    return 3 if report.count(Status.UNKNOWN) else 0

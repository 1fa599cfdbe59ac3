"""Plans, shows and applies fixes, then runs the checks that suggested them again.

Commands are argument lists from findings. Only commands marked safe are run; those that destroy,
overwrite or need a password are never marked safe.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sdcoreml.doctor.core.check import Fix, Status
from sdcoreml.doctor.core.engine import Report, Result
from sdcoreml.ground.advice import spell, spell_words

Run: TypeAlias = Callable[[Sequence[str]], int]
"""A function that runs one command, with its output visible, and returns its exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixStep:
    """One fix, and the checks whose findings suggest it."""

    fix: Fix
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """The result of a step: each check's new status, and the first exit code that was not 0."""

    step: FixStep
    code: int
    statuses: tuple[tuple[str, Status], ...]

    @property
    def is_cured(self) -> bool:
        """True if every check that suggested the fix passes now."""
        return not self.code and all(status.rank <= Status.INFO.rank for _, status in self.statuses)


def plan(report: Report) -> tuple[FixStep, ...]:
    """Return the fixes with commands from a report, each once, in the order of the report."""
    steps: dict[tuple[tuple[str, ...], ...], FixStep] = {}
    for result in report.results:
        for fix in _fixes(result):
            known = steps.get(fix.commands)
            checks = (*known.checks, result.id) if known else (result.id,)
            steps[fix.commands] = FixStep(fix=fix, checks=tuple(dict.fromkeys(checks)))
    return tuple(steps.values())


def _fixes(result: Result) -> Iterable[Fix]:
    if result.ignored or result.status.rank <= Status.INFO.rank:
        return ()
    return (one.fix for one in result.findings if one.fix and one.fix.commands)


def plan_lines(steps: Sequence[FixStep]) -> Iterator[str]:
    """Yield the plan as lines of text: commands to run, and steps to do by hand."""
    for step in steps:
        label = "safe" if step.fix.safe else "by hand"
        yield f"{label:<9}{spell(step.fix.title)} ({', '.join(step.checks)})"
        for command in step.fix.commands:
            yield f"{'':<9}run   {shlex.join(spell_words(command))}"
    if not steps:
        yield "nothing found that a command could mend"


def cure_lines(cures: Sequence[Cure]) -> Iterator[str]:
    """Yield the result of each step as a line of text."""
    for cure in cures:
        label = "cured" if cure.is_cured else "not cured"
        states = ", ".join(f"{name} {status.value}" for name, status in cure.statuses)
        yield f"{label:<10}{states}" + (f" (exit code {cure.code})" if cure.code else "")


def apply(step: FixStep, run: Run, examine_again: Callable[[Sequence[str]], Report]) -> Cure:
    """Run a step's commands until one fails, then run its checks again with new facts."""
    code = 0
    for command in step.fix.commands:
        code = run(command)
        if code:
            break
    again = examine_again(step.checks)
    statuses = tuple((result.id, result.status) for result in again.results)
    return Cure(step=step, code=code, statuses=statuses)

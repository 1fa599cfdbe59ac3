"""Gives a verdict for a goal: whether this machine can reach it, and what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sdcoreml.doctor.core.check import Check, CheckFamily, Status
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN, GoalVerdict, Report, Result
from sdcoreml.doctor.core.estimate import estimate
from sdcoreml.doctor.core.facts import Facts

BLOCKING: Mapping[str, frozenset[CheckFamily]] = {
    "env": frozenset({CheckFamily.SYSTEM, CheckFamily.PYTHON, CheckFamily.DISK}),
    # Not GIT: those checks are about the upstream converter's checkout, which we do not need.
    "convert": frozenset(CheckFamily) - {CheckFamily.BUNDLE, CheckFamily.GIT},
    "bundle": frozenset({CheckFamily.BUNDLE}),
}
"""The families whose errors block a goal; other errors are only reported."""

GOALS = tuple(BLOCKING)

_SUBJECTS = frozenset({"model", "environment"})
_CAN = {
    "env": "build the tested environment",
    "convert": "convert",
    "bundle": "be opened by MochiDiffusion and Apple's Swift package",
}


def relevant(goal: str, checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks that matter for the goal, by their families.

    Faults of a model or of the existing environment do not prevent building an environment.
    """
    chosen = (check for check in checks if check.family in BLOCKING[goal])
    if goal == "env":
        return tuple(one for one in chosen if not _SUBJECTS & (set(one.needs) - one.optional))
    return tuple(chosen)


def conclude(
    report: Report, facts: Facts, checks: Sequence[Check], *, goals: Iterable[str]
) -> Report:
    """Return the report with a verdict for each goal."""
    return replace(
        report, verdicts=tuple(verdict(goal, report.results, facts, checks) for goal in goals)
    )


def verdict(
    goal: str, results: Iterable[Result], facts: Facts, checks: Iterable[Check]
) -> GoalVerdict:
    """Return the verdict: no if a check has an error, unknown if one is unknown, else yes."""
    ids = {check.id for check in relevant(goal, checks)}
    concerned = [result for result in results if result.id in ids]
    errors = tuple(result.id for result in concerned if result.status is Status.ERROR)
    unknown = tuple(result.id for result in concerned if result.status is Status.UNKNOWN)
    answer = "no" if errors else "unknown" if unknown else "yes"
    subject, what = _subject(goal, facts)
    sentence = {
        "yes": f"{subject} can {what}",
        "no": f"{subject} cannot {what}",
        "unknown": f"whether {subject} can {what} could not be established",
    }[answer]
    return GoalVerdict(
        goal=goal,
        answer=answer,
        sentence=sentence,
        because=errors or unknown,
        needs=estimate(facts) if goal == "convert" and answer == "yes" else (),
    )


def _subject(goal: str, facts: Facts) -> tuple[str, str]:
    what = _CAN[goal]
    name = getattr(facts.toolchain, "name", DEFAULT_TOOLCHAIN)
    if goal == "env" and name != DEFAULT_TOOLCHAIN:
        what = f"build the environment {name}"
    if goal == "bundle":
        if getattr(facts.bundle, "is_for_comfyui", False):
            return "this folder", "be opened by ComfyUI, with the nodes ComfyUI-CoreMLSuite"
        programs = getattr(facts.bundle, "programs", ())
        is_packaged = any(one.container == ".mlpackage" for one in programs)
        return "this folder", what + (", once it is compiled" if is_packaged else "")
    if goal == "convert":
        what += (
            f" {Path(facts.goal.model).name}" if facts.goal.model else " a Stable Diffusion folder"
        )
    return "this machine", what

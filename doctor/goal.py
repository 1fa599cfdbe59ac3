"""A verdict for a job: can this machine do it, and what will it take?

`preflight` is what `make env` and `make convert` run first: the same checks as `sdcoreml doctor`,
for one job, with the same report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from doctor.check import Check, Family, Status
from doctor.checks import CHECKS
from doctor.engine import DEFAULT_TOOLCHAIN, Report, Result, Verdict, examine
from doctor.estimate import estimate
from doctor.facts import Facts, Job
from doctor.gather import Request, gather
from doctor.probe import Probe

BLOCKING: Mapping[str, frozenset[Family]] = {
    "env": frozenset({Family.SYSTEM, Family.PYTHON, Family.DISK}),
    # Not git: the checkout it is about is the upstream converter's, which this one does without.
    "convert": frozenset(Family) - {Family.BUNDLE, Family.GIT},
    "bundle": frozenset({Family.BUNDLE}),
}
"""Whose errors stand in the way of a goal; an error elsewhere is reported but does not block."""

GOALS = tuple(BLOCKING)

_BUILT = frozenset({"environment", "verification", "smoke"})
"""Facts of the environment that is there: of no interest when another is about to be built."""

_SUBJECTS = frozenset({"model", "environment"})
_CAN = {
    "env": "build the tested environment",
    "convert": "convert",
    "bundle": "be opened by MochiDiffusion and Apple's Swift package",
}


def preflight(
    job: Job,
    *,
    toolchain: str = "tested",
    rebuild: bool = False,
    python: str = "",
    probe: Probe | None = None,
) -> Report:
    """Gather, check and judge for one job, in the named toolchain.

    With `rebuild` the environment is about to be built: what is there now is not looked at, and
    room and a Python for the new one are. `python` is the one to build it with, if it was named.
    `report.verdicts[0].answer` is "yes", "no" or "unknown"; `report.verdicts[0].because` names the
    checks that stand in the way.
    """
    checks = relevant(job.goal)
    needed = {name for check in checks for name in check.needs} - {"job"}
    request = Request(
        job=job,
        toolchain=toolchain,
        groups=tuple(sorted(needed - _BUILT if rebuild else needed)),
        rebuild=rebuild,
        python=python,
    )
    gathered = gather(request, probe or Probe())
    report = examine(gathered.facts, checks)
    return conclude(
        replace(report, costs=gathered.costs, seconds=report.seconds + gathered.seconds),
        gathered.facts,
        goals=(job.goal,),
    )


def relevant(goal: str) -> tuple[Check, ...]:
    """The checks that matter for the goal, by their families.

    What is wrong with a model or with the environment of before does not stop the building of one.
    """
    checks = (check for check in CHECKS if check.family in BLOCKING[goal])
    if goal == "env":
        return tuple(one for one in checks if not _SUBJECTS & (set(one.needs) - one.spared))
    return tuple(checks)


def conclude(report: Report, facts: Facts, *, goals: Iterable[str]) -> Report:
    """The report with a verdict for each goal."""
    return replace(report, verdicts=tuple(verdict(goal, report.results, facts) for goal in goals))


def verdict(goal: str, results: Iterable[Result], facts: Facts) -> Verdict:
    """Yes without errors, no with one in the way, unknown when something could not be looked at."""
    ids = {check.id for check in relevant(goal)}
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
    return Verdict(
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
        programs = getattr(facts.bundle, "programs", ())
        is_packaged = any(one.container == ".mlpackage" for one in programs)
        return "this folder", what + (", once it is compiled" if is_packaged else "")
    if goal == "convert":
        what += (
            f" {Path(facts.job.model).name}" if facts.job.model else " a Stable Diffusion folder"
        )
    return "this machine", what

"""Runs the doctor's checks for one goal, before `make env` and `make convert`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import CheckFamily
from sdcoreml.doctor.core.engine import Report, examine
from sdcoreml.doctor.core.facts import Goal
from sdcoreml.doctor.core.goal import conclude, relevant
from sdcoreml.doctor.gather import Request, gather
from sdcoreml.doctor.gather.probe import Probe

BESIDES_MODEL = frozenset(CheckFamily) - {CheckFamily.MODEL}
"""The checks for a model that was judged already, with the options it is converted with."""

_BUILT = frozenset({"environment", "verification", "smoke"})
"""Facts of the environment that is there: of no interest when another is about to be built."""


def preflight(
    goal: Goal,
    *,
    toolchain: str = "tested",
    rebuild: bool = False,
    python: str = "",
    probe: Probe | None = None,
    families: Collection[CheckFamily] = (),
) -> Report:
    """Gather, check and judge for one goal, in the named toolchain.

    With `rebuild` the environment is about to be built: what is there now is not looked at, and
    room and a Python for the new one are. `python` is the one to build it with, if it was named.
    `families` are the only checks to run, if any are given.
    `report.verdicts[0].answer` is "yes", "no" or "unknown"; `report.verdicts[0].because` names the
    checks that stand in the way.
    """
    checks = relevant(goal.kind, CHECKS)
    if families:
        checks = tuple(one for one in checks if one.family in families)
    needed = {name for check in checks for name in check.needs} - {"goal"}
    request = Request(
        goal=goal,
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
        CHECKS,
        goals=(goal.kind,),
    )

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
"""The families of checks to run for a model that has been judged already: all but the model's."""

_BUILT = frozenset({"environment", "verification", "smoke"})
"""Facts about the existing environment, which do not matter when a new one is to be built."""


def preflight(
    goal: Goal,
    *,
    toolchain: str = "tested",
    rebuild: bool = False,
    python: str = "",
    probe: Probe | None = None,
    families: Collection[CheckFamily] = (),
) -> Report:
    """Gather facts, run the checks and give a verdict for one goal, with the named toolchain.

    With `rebuild` the environment is about to be built: the existing one is not examined, but disk
    space and a Python for the new one are. `python` names, in words, the Python to build with; ""
    to search for one. `families` limits the checks to run; empty for all.
    `report.verdicts[0].answer` is "yes", "no" or "unknown"; `report.verdicts[0].because` names the
    checks that prevent it.
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

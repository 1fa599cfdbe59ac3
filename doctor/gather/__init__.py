"""Gathers facts about a machine: one task per group, in parallel, with a common deadline.

`tasks` lists everything that the doctor looks at.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from sdcoreml.doctor.core.facts import Absent, Facts, Goal
from sdcoreml.doctor.gather.probe import Probe, run_together

DEADLINE = 10.0
"""Seconds until a hanging task is abandoned; a healthy machine needs a tenth of a second."""

DEEP_DEADLINE = 600.0
"""The deadline in seconds if every file is hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which facts to gather. `deep` hashes every file of the environment and imports its pins.

    `groups` are the fields of `Facts` to gather, all if empty; the others are absent. With
    `rebuild`, a Python is searched for even if an environment exists. `python` names, in words, the
    Python that a build will use; then none is searched for.
    """

    goal: Goal = field(default_factory=Goal)
    toolchain: str = "tested"
    bundle: str = ""
    checkout: str = ""
    deep: bool = False
    rebuild: bool = False
    python: str = ""
    seconds: float = DEADLINE
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The gathered facts, and the seconds that each group took."""

    facts: Facts
    costs: Mapping[str, float]
    seconds: float
    left_out: tuple[str, ...] = ()


def gather(request: Request, probe: Probe) -> Gathered:
    """Gather the requested facts; never raises, and never waits beyond the deadline."""
    begun = time.monotonic()
    table = tasks(request, probe)
    wanted = {name: table[name] for name in request.groups or table}
    timed = run_together(wanted, seconds=request.seconds)
    values: dict[str, Any] = dict.fromkeys(table, Absent(reason="not asked for"))
    values |= {name: result.value for name, result in timed.items()}
    return Gathered(
        facts=Facts(goal=request.goal, **values),
        costs={name: result.seconds for name, result in timed.items()},
        seconds=time.monotonic() - begun,
        left_out=tuple(name for name, result in timed.items() if result.is_late),
    )


def tasks(request: Request, probe: Probe) -> Mapping[str, Callable[[], object]]:
    """Return a task for each field of `Facts` but the goal.

    Each task imports its own modules, so that a failing import affects no other task.
    """
    from sdcoreml.doctor.gather import checkout, conda, machine, python, tools, volumes

    goal = request.goal
    return {
        "system": lambda: machine.system(probe),
        "memory": lambda: machine.memory(probe),
        "host": lambda: python.host(probe),
        "toolchain": lambda: _toolchain().toolchain(
            request.toolchain, _toolchain().list_certified() if goal.model else ()
        ),
        "lock": lambda: _toolchain().lock(request.toolchain),
        "interpreter": lambda: _toolchain().interpreter(
            request.toolchain, rebuild=request.rebuild, python=request.python
        ),
        "environment": lambda: _toolchain().environment(request.toolchain, probe.system),
        "verification": lambda: _toolchain().verification(
            request.toolchain, probe, deep=request.deep
        ),
        "evidence": lambda: _toolchain().evidence(request.toolchain),
        "conda": lambda: conda.conda(request.toolchain, probe),
        "smoke": lambda: (
            _toolchain().smoke(request.toolchain, probe) if request.deep else Absent(reason=DEEP)
        ),
        "git": lambda: tools.git(probe),
        "checkout": lambda: checkout.checkout(request.checkout, probe, request.toolchain),
        "xcode": lambda: tools.xcode(probe),
        "volumes": lambda: volumes.volumes(goal, _toolchain().environments(), probe),
        "hub": lambda: tools.hub(probe),
        "output": lambda: volumes.output(goal),
        "model": lambda: _later("model").model(goal.model) if goal.model else NO_MODEL,
        "bundle": lambda: _later("bundle").bundle(request.bundle) if request.bundle else NO_BUNDLE,
    }


DEEP = "only looked at with --deep"
NO_MODEL, NO_BUNDLE = Absent(reason="no model given"), Absent(reason="no finished folder given")


def _toolchain() -> ModuleType:
    return _later("toolchain")


def _later(name: str) -> ModuleType:
    """Import a gatherer's module; called within a task, so that a failure is reported."""
    return importlib.import_module(f"{__name__}.{name}")

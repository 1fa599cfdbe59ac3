"""Runs the doctor before `env` and `convert`, and stops them if its verdict is no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdcoreml.doctor.core.backend import choose_backend
from sdcoreml.envs.building.base import CONDA
from sdcoreml.envs.building.build import BuildOptions, build, ready
from sdcoreml.envs.building.variants import fit
from sdcoreml.envs.kept.store import Environment, remove_leftovers
from sdcoreml.ground.errors import NoRoomError, UnableError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.places import environments_folder
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain

WRITABLE = "DSK004"
"""The check of write permissions: in the disk family, although not about free space."""

if TYPE_CHECKING:
    from sdcoreml.doctor.core.engine import Report
    from sdcoreml.doctor.core.facts import Goal


_FORMER = "sealed in the format of an earlier version; `sdcoreml env` seals it anew in seconds"


def find_environment(name: str) -> tuple[Toolchain, Environment | None]:
    """Return the named toolchain as it fits this machine, and its environment if one is ready."""
    options = BuildOptions(backend=choose_backend())
    toolchain = fit(load_toolchain(name), options)
    return toolchain, ready(toolchain, options)


def environment_for(
    toolchain: Toolchain,
    emit: Emit,
    *,
    options: BuildOptions | None = None,
    goal: Goal | None = None,
) -> Environment:
    """Return the toolchain's environment; if it must be built, examine this machine first.

    `goal` is what the environment is needed for, so that a conversion too large for this machine is
    reported before gigabytes are downloaded. The goal's model has been judged already.

    Raises:
        UnableError: the machine cannot build the environment, or cannot reach the goal.
        EnvError, LockfileError: as `envs.building.build.build`.
    """
    options = options or BuildOptions()
    found = ready(toolchain, options)
    if found is not None:
        if found.is_former:
            emit(Event(kind="note", text=f"{found.name}: {_FORMER}"))
        return found
    # Imported late: if the environment exists, the doctor is not needed.
    from sdcoreml.doctor.commands.examine import BESIDES_MODEL, preflight
    from sdcoreml.doctor.core.facts import Goal

    emit(Event(kind="step", text="examine this machine"))
    remove_leftovers(options.root or environments_folder())
    python = str(options.python or _python_of_build(options))
    report = preflight(
        goal or Goal(kind="env"),
        toolchain=address(toolchain),
        rebuild=True,
        python=python,
        families=BESIDES_MODEL,
    )
    require_able(report)
    return build(toolchain, options=options, emit=emit)


def _python_of_build(options: BuildOptions) -> str:
    """Return, in words, the Python that the build installs; "" if it uses one of this machine."""
    if options.backend == CONDA:
        return "conda's Python"
    return "the Python to obtain" if options.provision else ""


def address(toolchain: Toolchain) -> str:
    """Return the name or path by which the toolchain can be loaded again."""
    return f"{toolchain.folder}/"


def require_able(report: Report) -> None:
    """Raise an error with the first reason if the doctor's verdict is no.

    Raises:
        NoRoomError: only disk space is missing.
        UnableError: there is another reason.
    """
    from sdcoreml.doctor.core.check import CheckFamily

    verdict = report.verdicts[0]
    blocking = [result for result in report.results if result.id in verdict.because]
    if verdict.answer != "no" or not blocking:
        return
    finding = max(blocking[0].findings, key=lambda finding: finding.status.rank)
    remedy = finding.fix.title if finding.fix else finding.why
    more = f"; {len(blocking) - 1} more, `sdcoreml doctor` lists them" if blocking[1:] else ""
    is_full = all(one.family is CheckFamily.DISK and one.id != WRITABLE for one in blocking)
    kind = NoRoomError if is_full else UnableError
    error = kind(f"{finding.what} ({blocking[0].id}); {remedy}{more}")
    error.code = blocking[0].id
    raise error

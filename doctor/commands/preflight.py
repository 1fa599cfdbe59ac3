"""Lets `env` and `convert` examine the machine first, and stop when the doctor says no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdcoreml.envs.building.base import CONDA
from sdcoreml.envs.building.build import BuildOptions, build, ready
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import NoRoomError, UnableError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.lockfiles.toolchain import Toolchain

WRITABLE = "DSK004"
"""The check of permissions, which is no lack of room."""

if TYPE_CHECKING:
    from sdcoreml.doctor.core.engine import Report
    from sdcoreml.doctor.core.facts import Goal


_FORMER = "sealed in the format of an earlier version; `sdcoreml env` seals it anew in seconds"


def environment_for(
    toolchain: Toolchain,
    emit: Emit,
    *,
    options: BuildOptions | None = None,
    goal: Goal | None = None,
) -> Environment:
    """The toolchain's environment; before one is built, this machine is examined.

    Nothing is examined when the environment is there. `goal` is what it is needed for: so a
    conversion that does not fit is reported before gigabytes are downloaded. Its model was judged.

    Raises:
        UnableError: the machine cannot build it, or not reach the goal in it.
        EnvError, LockfileError: as `envs.building.build.build`.
    """
    options = options or BuildOptions()
    found = ready(toolchain, options)
    if found is not None:
        if found.is_former:
            emit(Event(kind="note", text=f"{found.name}: {_FORMER}"))
        return found
    # Imported only now: to say that there is nothing to do takes no doctor.
    from sdcoreml.doctor.commands.examine import BESIDES_MODEL, preflight
    from sdcoreml.doctor.core.facts import Goal

    emit(Event(kind="step", text="examine this machine"))
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
    """The Python that the build itself brings, so none is searched for; "" if it brings none."""
    if options.backend == CONDA:
        return "conda's Python"
    return "the Python to obtain" if options.provision else ""


def address(toolchain: Toolchain) -> str:
    """The path by which the toolchain can be loaded again, whether it has a name or not."""
    return f"{toolchain.folder}/"


def require_able(report: Report) -> None:
    """Raise the doctor's first reason if its answer is no.

    Raises:
        NoRoomError: only the disk's room stands in the way.
        UnableError: something else does.
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

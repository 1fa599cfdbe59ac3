"""Repairs the environment in use with the least work that its state allows."""

from __future__ import annotations

from dataclasses import dataclass

from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.beneath import PYTHON, is_ours
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.touched import is_untouched
from sdcoreml.envs.kept.verify import verify_fast
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import BrokenError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.lockfiles.toolchain import Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """What a repair may need: the toolchain, the source of packages, the installer."""

    toolchain: Toolchain
    source: PackageSource
    installer: str = ""


def mend(environment: Environment, care: Care, emit: Emit = silent) -> Environment | None:
    """Verify an environment, and repair or reseal it; return None if it must be built again.

    Raises:
        BrokenError: its Python was changed, and we did not install that Python.
        InstallError: packages for a repair cannot be downloaded.
    """
    try:
        if environment.is_former:
            from sdcoreml.envs.care.reseal import reseal

            return reseal(environment, emit)
        faults = () if is_untouched(environment) else verify_fast(environment).faults
    except BrokenError as error:
        _give_up(error, emit)
        return None
    if not faults:
        return environment
    # Imported only now: to say that there is nothing to do takes no installer.
    from sdcoreml.envs.care.beneath import explain_changed
    from sdcoreml.envs.care.repair import repair

    changed = [fault for fault in faults if fault.owner == PYTHON]
    if changed and not is_ours(environment.interpreter, environment.path.parent):
        raise explain_changed(environment, changed)
    count = f"{len(faults):,} paths are" if len(faults) > 1 else "1 path is"
    emit(Event(kind="warning", text=f"{count} not as sealed, first {faults[0]}"))
    try:
        repair(
            environment,
            toolchain=care.toolchain,
            source=care.source,
            installer=care.installer,
            emit=emit,
        )
    except BrokenError as error:
        _give_up(error, emit)
        return None
    return store.read(environment.name, environment.path)


def _give_up(error: BrokenError, emit: Emit) -> None:
    """Say why an environment is built anew."""
    where = f"{error.where}: " if error.where else ""
    emit(Event(kind="warning", text=f"{where}{error.what}: it is built anew"))

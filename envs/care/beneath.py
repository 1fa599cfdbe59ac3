"""Repairs the Python of an environment, if we installed it; other Pythons are left alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from sdcoreml.envs.building.scratch import InstallPlan
from sdcoreml.envs.care.tending import clear
from sdcoreml.envs.conda.engine import find_engine
from sdcoreml.envs.conda.prefix import CondaBase
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.beneath import is_ours
from sdcoreml.envs.kept.damage import Damage
from sdcoreml.envs.kept.manifest import BENEATH, EntryKind, ManifestEntry
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.mirrors.mirror import CHANNEL, mirror_of
from sdcoreml.envs.pythons.interpreter import OBTAINED
from sdcoreml.ground.errors import BrokenError, LockfileError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.leftovers import BUILDING
from sdcoreml.lockfiles.conda import CondaLock, load_conda_lock
from sdcoreml.lockfiles.toolchain import Toolchain


def explain_changed(environment: Environment, faults: Sequence[Damage]) -> BrokenError:
    """Return the error about changes in a Python that we did not install."""
    python = environment.interpreter
    many = f"{len(faults):,} files differ" if len(faults) > 1 else "1 file differs"
    return BrokenError(
        f"the Python beneath the environment is not as it was when that was sealed: {many}, first"
        f" {faults[0].path}: {faults[0].what}; an upgrade does that, and so does who alters it",
        where=python.path,
        remedy=f"reinstall {python.version} where it came from ({python.source}), or"
        f" `sdcoreml env build --fresh --toolchain {environment.toolchain}` builds on what is"
        " there now",
    )


def repair_beneath(
    environment: Environment,
    toolchain: Toolchain | None,
    faults: Sequence[Damage],
    plan: InstallPlan,
    emit: Emit,
) -> tuple[str, ...]:
    """Restore a Python that we installed from its locked packages; return the restored paths.

    Raises:
        BrokenError: we did not install that Python, or its lock is gone.
        InstallError: its packages cannot be downloaded.
    """
    root = environment.path.parent
    lock = _lock_of(environment, toolchain)
    if not is_ours(environment.interpreter, root) or lock is None:
        raise explain_changed(environment, faults)
    home = environment.interpreter.path.parent.parent
    emit(Event(kind="step", text=f"restore Python {lock.python} from its packages"))
    aside = root / f"{BUILDING}{home.name}-{os.getpid()}"
    base = CondaBase(
        lock=lock,
        channel=_channel(plan, toolchain),
        root=root,
        engine=lambda: find_engine(root, emit, keep=(plan.lock_fd,), index=plan.source.index),
        emit=emit,
    )
    try:
        base.create(aside, home)
        if not home.exists():
            aside.rename(home)
            return (str(home),)
        entries = {entry.path: entry for entry in manifest.read(environment.path, BENEATH)}
        paths = [fault.path for fault in faults]
        return tuple(_restore(home, aside, path, entries.get(path)) for path in _outermost(paths))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _lock_of(environment: Environment, toolchain: Toolchain | None) -> CondaLock | None:
    """Return the conda lock from which the Python was installed."""
    if toolchain is None:
        return None
    try:
        lock = load_conda_lock(toolchain, environment.target)
    except LockfileError:
        return None
    name = f"{OBTAINED}{lock.python}-{lock.digest[:16]}"
    return lock if environment.interpreter.path.parent.parent.name == name else None


def _channel(plan: InstallPlan, toolchain: Toolchain | None) -> str:
    usual = toolchain.conda.channel if toolchain else ""
    return mirror_of(CHANNEL, plan.source.channel).address or usual


def _outermost(paths: Iterable[str]) -> list[str]:
    """Sort paths, so that folders come before their content."""
    return sorted(paths)


def _restore(home: Path, aside: Path, path: str, entry: ManifestEntry | None) -> str:
    """Restore one path, or remove it if it is bytecode or not in the manifest."""
    target = Path(path)
    if entry is None or entry.is_bytecode or entry.kind is EntryKind.ABSENT:
        clear(target)
        return path
    if entry.kind is EntryKind.FOLDER:
        if not target.is_dir():
            clear(target)
            target.mkdir(parents=True)
        target.chmod(entry.mode)
        return path
    source = aside / os.path.relpath(target, home)
    if manifest.digest_of(source, entry.kind) != entry.digest:
        raise BrokenError(
            "its package no longer has the sealed bytes",
            where=path,
            remedy="`sdcoreml env build --fresh` builds anew",
        )
    if not source.is_symlink():
        source.chmod(entry.mode)
        os.utime(source, ns=(entry.mtime, entry.mtime))
    clear(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return path

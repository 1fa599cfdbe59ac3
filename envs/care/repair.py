"""Restores exactly the files that verification found damaged.

Their packages are installed into a temporary environment, from the environment's own lock. A file
is copied from there only if it has exactly the sealed bytes, and takes its place in one rename.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.envs.building.base import Base, VenvBase
from sdcoreml.envs.building.scratch import InstallPlan, scratch_environment
from sdcoreml.envs.care.beneath import repair_beneath
from sdcoreml.envs.care.relink import find_twin, relink
from sdcoreml.envs.care.reseal import reseal
from sdcoreml.envs.care.tending import clear, compile_again, restore_lock, take_over, tend
from sdcoreml.envs.conda.engine import find_engine
from sdcoreml.envs.conda.prefix import CondaBase
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.beneath import PYTHON, is_ours
from sdcoreml.envs.kept.damage import STRAY, Damage
from sdcoreml.envs.kept.manifest import OWN, EntryKind, ManifestEntry
from sdcoreml.envs.kept.sealing import record
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_fast, verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.interpreter import Choice, find_interpreters
from sdcoreml.ground.errors import BrokenError, LockfileError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.conda import read_conda_lock
from sdcoreml.lockfiles.lock import LockedPackage, parse_lock
from sdcoreml.lockfiles.toolchain import PythonPin, Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairResult:
    """What a repair did: paths restored from their packages, and paths removed."""

    restored: tuple[str, ...]
    removed: tuple[str, ...]


_ATTEMPTS = (("from the cache or the index", False), ("from the index, past the cache", True))
"""Where packages are taken from, in this order, since the cache itself may be damaged."""


def repair(
    environment: Environment,
    *,
    toolchain: Toolchain | None = None,
    source: PackageSource | None = None,
    installer: str = "",
    emit: Emit = silent,
) -> RepairResult:
    """Restore an environment to its sealed state.

    `toolchain` is only needed if a lock in the environment, or its Python, is lost.

    Raises:
        BrokenError: it must be built anew: its manifest is lost, this machine lacks its Python
            version, or a sealed file is no longer available.
        InstallError: the packages cannot be downloaded.
    """
    folder = environment.path
    if environment.is_former:
        reseal(environment, emit)
        return RepairResult(restored=(), removed=())
    with store.hold_lock(folder.parent, emit) as lock_fd, translate_store_errors(folder):
        environment, moved = _with_python(environment, emit)
        emit(Event(kind="step", text="compare every byte with the seal"))
        plan = InstallPlan(
            installer=installer,
            source=source or PackageSource(),
            bypass_cache=False,
            lock_fd=lock_fd,
        )
        take_over(folder)
        damage = _find_damage(environment, emit)
        restored = list(moved)
        if damage.beneath:
            restored += repair_beneath(environment, toolchain, damage.beneath, plan, emit)
        _remove(folder, damage.strays)
        restored += [entry.path for entry in damage.lost]
        lost = _without_packages(environment, toolchain, damage.lost)
        if lost := _from_packages(environment, lost, plan, emit):
            raise BrokenError(
                "its package no longer has the sealed bytes",
                where=folder / lost[0].path,
                remedy=_rebuild_hint(environment),
            )
        if bytecode := [entry for entry in damage.lost if entry.is_bytecode]:
            compile_again(folder, bytecode)
            environment = record(environment)
        store.touch(environment)  # restored files need not be read again at every verification
        if faults := verify_fast(environment).faults:
            raise BrokenError(f"{faults[0]}", where=folder, remedy=_rebuild_hint(environment))
    return RepairResult(restored=tuple(restored), removed=tuple(damage.strays))


@dataclass(frozen=True, slots=True, kw_only=True)
class _DamageFound:
    """Damage found: entries whose files differ, paths without an entry, faults of the Python."""

    lost: tuple[ManifestEntry, ...]
    strays: tuple[str, ...]
    beneath: tuple[Damage, ...]


def _without_packages(
    environment: Environment, toolchain: Toolchain | None, lost: Iterable[ManifestEntry]
) -> list[ManifestEntry]:
    """Restore what needs no package; return the entries that need one."""
    return [
        entry
        for entry in lost
        if not entry.is_bytecode
        and not tend(environment.path, entry)
        and not restore_lock(environment, toolchain, entry)
    ]


def _from_packages(
    environment: Environment, lost: list[ManifestEntry], plan: InstallPlan, emit: Emit
) -> list[ManifestEntry]:
    """Restore files from their packages; return the entries that the packages lack."""
    for where, bypass_cache in _ATTEMPTS:
        if not lost:
            break
        emit(Event(kind="step", text=f"restore {_names(lost)} {where}"))
        plan = replace(plan, bypass_cache=bypass_cache)
        packages, folder = _packages(environment, lost), environment.path
        with scratch_environment(_base(environment, plan), folder, packages, plan) as scratch:
            lost = [entry for entry in lost if not _restore(folder, scratch, entry)]
    return lost


def _with_python(environment: Environment, emit: Emit) -> tuple[Environment, tuple[str, ...]]:
    """Relink the environment if its Python is gone; return its record and the changed paths."""
    gone = environment.interpreter
    if environment.conda or gone.path.exists() or is_ours(gone, environment.path.parent):
        return environment, ()
    exact = PythonPin(version=gone.version, accepted=f"=={gone.version}")
    other = find_twin(gone, find_interpreters(exact))
    if other is None:
        raise BrokenError(
            f"the environment's Python is gone, and this machine has no other {gone.version}",
            where=gone.path,
            remedy=f"get one, or {_rebuild_hint(environment)}",
        )
    emit(Event(kind="note", text=f"{gone.path} is gone; {other.path} takes its place"))
    before = {entry.path: entry for entry in manifest.read(environment.path)}
    moved = relink(environment, other)
    after = manifest.read(environment.path)
    return moved, tuple(e.path for e in after if e.digest != before[e.path].digest)


def _find_damage(environment: Environment, emit: Emit) -> _DamageFound:
    if environment.is_moved:
        raise BrokenError(
            "a conda environment cannot be moved",
            where=environment.path,
            remedy=_rebuild_hint(environment),
        )
    entries = {entry.path: entry for entry in manifest.read(environment.path)}
    faults = verify_full(environment, emit).faults
    for fault in faults:
        if fault.path in OWN:
            raise BrokenError(
                f"{fault.what}",
                where=environment.path / fault.path,
                remedy=_rebuild_hint(environment),
            )
    inside = [fault for fault in faults if fault.owner != PYTHON]
    return _DamageFound(
        lost=tuple(entries[fault.path] for fault in inside if fault.path in entries),
        strays=tuple(fault.path for fault in inside if fault.owner == STRAY),
        beneath=tuple(fault for fault in faults if fault.owner == PYTHON),
    )


def _rebuild_hint(environment: Environment) -> str:
    backend = f" --backend {environment.backend}" if environment.conda else ""
    return (
        f"`sdcoreml env build --fresh --toolchain {environment.toolchain}{backend}` builds it anew"
    )


def _base(environment: Environment, plan: InstallPlan) -> Base:
    """Return the environment's base, from its own record and sealed lock."""
    if not environment.conda:
        return VenvBase(chosen=Choice(interpreter=environment.interpreter, drift=False))
    root, path = environment.path.parent, environment.path / manifest.SEALED / store.CONDA_LOCK
    try:
        lock = read_conda_lock(path, environment.target)
    except LockfileError:
        lock = None
    if lock is None or lock.digest != environment.conda:
        raise BrokenError("differs from its seal", where=path, remedy=_rebuild_hint(environment))
    return CondaBase(
        lock=lock,
        channel=plan.source.channel or environment.channel,
        stated=environment.channel,
        root=root,
        engine=lambda: find_engine(root, silent, keep=(plan.lock_fd,), index=plan.source.index),
        emit=silent,
    )


def _names(lost: Iterable[ManifestEntry]) -> str:
    return ", ".join(sorted({entry.owner.strip("()") for entry in lost}))


def _packages(environment: Environment, lost: Iterable[ManifestEntry]) -> tuple[LockedPackage, ...]:
    """Return the locked packages that contain the lost files."""
    text = read_text(environment.path / manifest.SEALED / store.LOCK, Document.LOCK)
    owners = {entry.owner for entry in lost}
    return tuple(p for p in parse_lock(text, environment.path) if p.name in owners)


def _restore(folder: Path, scratch: Path, entry: ManifestEntry) -> bool:
    """Copy a path from the scratch environment; return False if it is not as sealed there."""
    source, target = scratch / entry.path, folder / entry.path
    if not source.is_symlink() and not source.is_file():
        return False
    if source.is_symlink() is not (entry.kind is EntryKind.LINK):
        return False
    if manifest.digest_of(source, entry.kind) != entry.digest:
        return False
    if entry.kind is not EntryKind.LINK:
        source.chmod(entry.mode)
        os.utime(source, ns=(entry.mtime, entry.mtime))
    clear(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return True


def _remove(folder: Path, strays: Iterable[str]) -> None:
    """Remove paths that the manifest does not list."""
    for stray in strays:
        clear(folder / stray)

"""Restores what verification found wrong, and touches nothing else.

The damaged packages are installed elsewhere, from the environment's own lock. A file is taken from
there only if it has exactly the sealed bytes, and moved into place in one rename.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.building.base import Base, VenvBase
from sdcoreml.envs.building.scratch import InstallPlan, scratch_environment
from sdcoreml.envs.care.relink import find_twin, relink
from sdcoreml.envs.conda.engine import find_engine
from sdcoreml.envs.conda.prefix import CondaBase
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.interpreter import Choice, find_interpreters
from sdcoreml.ground.errors import BrokenError, LockfileError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.conda import read_conda_lock
from sdcoreml.lockfiles.lock import LockedPackage, parse_lock
from sdcoreml.lockfiles.toolchain import PythonPin


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairResult:
    """Paths that were restored from their packages, and paths that were removed."""

    restored: tuple[str, ...]
    removed: tuple[str, ...]


_ATTEMPTS = (("from the cache or the index", False), ("from the index, past the cache", True))
"""In this order: the cache itself may be damaged."""


def repair(
    environment: Environment,
    *,
    source: PackageSource | None = None,
    installer: str = "",
    emit: Emit = silent,
) -> RepairResult:
    """Make an environment match its seal again.

    Raises:
        BrokenError: it has to be built anew: its manifest is lost, no Python of its version is
            left, or a sealed file is no longer available.
        InstallError: the packages cannot be reached.
    """
    folder = environment.path
    with store.hold_lock(folder.parent, emit) as lock_fd, translate_store_errors(folder):
        environment, moved = _with_python(environment, emit)
        emit(Event(kind="step", text="compare every byte with the seal"))
        lost, strays = _find_damage(environment, emit)
        _remove(folder, strays)
        restored = (*moved, *(entry.path for entry in lost))
        for where, bypass_cache in _ATTEMPTS:
            if not lost:
                break
            emit(Event(kind="step", text=f"restore {_names(lost)} {where}"))
            packages = _packages(environment, lost)
            plan = InstallPlan(
                installer=installer,
                source=source or PackageSource(),
                bypass_cache=bypass_cache,
                lock_fd=lock_fd,
            )
            with scratch_environment(_base(environment, plan), folder, packages, plan) as scratch:
                lost = [entry for entry in lost if not _restore(folder, scratch, entry)]
    if lost:
        raise BrokenError(
            "its package no longer has the sealed bytes",
            where=folder / lost[0].path,
            remedy=_rebuild_hint(environment),
        )
    return RepairResult(restored=restored, removed=tuple(strays))


def _with_python(environment: Environment, emit: Emit) -> tuple[Environment, tuple[str, ...]]:
    """The environment on a Python that exists, and the paths that changed for that."""
    gone = environment.interpreter
    if environment.conda or gone.path.exists():
        return environment, ()
    exact = PythonPin(version=gone.version, accepted=f"=={gone.version}")
    other = find_twin(gone, find_interpreters(exact))
    if other is None:
        raise BrokenError(
            f"the Python beneath the environment is gone, and no other {gone.version} is here",
            where=gone.path,
            remedy=f"get one, or {_rebuild_hint(environment)}",
        )
    emit(Event(kind="note", text=f"{gone.path} is gone; {other.path} takes its place"))
    before = {entry.path: entry for entry in manifest.read(environment.path)}
    moved = relink(environment, other)
    after = manifest.read(environment.path)
    return moved, tuple(e.path for e in after if e.digest != before[e.path].digest)


def _find_damage(environment: Environment, emit: Emit) -> tuple[list[ManifestEntry], list[str]]:
    """The entries that are not as sealed, and the paths without an entry."""
    if environment.moved:
        raise BrokenError(
            "a conda environment cannot be moved",
            where=environment.path,
            remedy=_rebuild_hint(environment),
        )
    entries = {entry.path: entry for entry in manifest.read(environment.path)}
    faults = verify_full(environment, emit).faults
    inside = f"{manifest.SEALED}/"
    if any(fault.path.startswith(inside) for fault in faults):
        raise BrokenError(
            "the manifest does not give the seal",
            where=environment.path / inside,
            remedy=_rebuild_hint(environment),
        )
    lost = [entries[fault.path] for fault in faults if fault.path in entries]
    return lost, [fault.path for fault in faults if fault.path not in entries]


def _rebuild_hint(environment: Environment) -> str:
    backend = f" --backend {environment.backend}" if environment.conda else ""
    return (
        f"`sdcoreml env build --fresh --toolchain {environment.toolchain}{backend}` builds it anew"
    )


def _base(environment: Environment, plan: InstallPlan) -> Base:
    """The base of the environment, from its own record and sealed lock."""
    if not environment.conda:
        return VenvBase(chosen=Choice(interpreter=environment.interpreter, drift=False))
    root, path = environment.path.parent, environment.path / manifest.SEALED / store.CONDA_LOCK
    try:
        lock = read_conda_lock(path, environment.target)
    except LockfileError:
        lock = None
    if lock is None or lock.digest != environment.conda:
        raise BrokenError("is not what was sealed", where=path, remedy=_rebuild_hint(environment))
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
    """The locked packages that the lost entries came from."""
    text = read_text(environment.path / manifest.SEALED / store.LOCK, Document.LOCK)
    owners = {entry.owner for entry in lost}
    return tuple(p for p in parse_lock(text, environment.path) if p.name in owners)


def _restore(folder: Path, scratch: Path, entry: ManifestEntry) -> bool:
    """Take a path from the scratch environment; False unless it is as sealed there."""
    source, target = scratch / entry.path, folder / entry.path
    if not source.is_symlink() and not source.is_file():
        return False
    if source.is_symlink() is not (entry.kind is EntryKind.LINK):
        return False
    if manifest.digest_of(source, entry.kind) != entry.digest:
        return False
    if entry.kind is not EntryKind.LINK:
        source.chmod(0o755 if entry.kind is EntryKind.PROGRAM else 0o644)
        os.utime(source, ns=(entry.mtime, entry.mtime))
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return True


def _remove(folder: Path, strays: Iterable[str]) -> None:
    """Remove paths that are not part of the environment, and folders that become empty."""
    for stray in strays:
        path = folder / stray
        path.unlink()
        with suppress(OSError):  # not empty: that is where it ends
            while path.parent != folder:
                path = path.parent
                path.rmdir()

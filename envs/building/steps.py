"""The steps of a build, in order: `STEPS`. Each is a function of the `BuildPlan`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from sdcoreml.envs.building import bytecode, inventory, normalise, smoke
from sdcoreml.envs.building.base import VENV, Base
from sdcoreml.envs.building.room import Need, require_room, volume_of
from sdcoreml.envs.building.scratch import InstallPlan, scratch_environment
from sdcoreml.envs.conda.prefix import CondaBase
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry
from sdcoreml.envs.kept.sealing import seal
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import Cache, Installer, PackageSource
from sdcoreml.envs.pythons.interpreter import Choice
from sdcoreml.ground.errors import BrokenError, NoSpaceError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.artefact import Artefact
from sdcoreml.lockfiles.conda import write_conda_lock
from sdcoreml.lockfiles.lock import Lock, LockedPackage, write_lock
from sdcoreml.lockfiles.toolchain import Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """All decisions of a build, made before anything is written; the build writes to `folder`."""

    toolchain: Toolchain
    name: str
    """The name of the link that will point to the environment."""
    lock: Lock
    packages: tuple[LockedPackage, ...]
    """The packages of the lock, each with its one wheel's hash if there is a PEP 751 lock."""
    artefacts: tuple[Artefact, ...]
    base: Base
    choice: Choice
    asked: str
    """The installer that the user chose ("uv" or "pip"); "" for no choice."""
    installer: Installer
    source: PackageSource
    folder: Path
    final: Path
    """The path to which `folder` is moved at the end."""
    lock_fd: int
    expected_seal: str
    """The seal that must result; "" for any."""
    cache: Cache
    size: int
    """The approximate size of the finished environment in bytes."""
    unpacked: int
    """The size of the unpacked wheels in bytes: what the installer writes."""

    @property
    def missing(self) -> tuple[Artefact, ...]:
        """The wheels that the installer has to download."""
        return tuple(one for one in self.artefacts if one.project not in self.cache.cached)

    @property
    def text_of_download(self) -> str:
        """Text such as ` (1.2 GB to download)`; "" if the size is 0 or unknown."""
        size = sum(artefact.size for artefact in self.missing)
        return f" ({amount(size)} to download)" if size else ""

    @property
    def cache_bytes(self) -> int:
        """The approximate number of bytes that the installer will add to its cache."""
        size, whole = (sum(a.size for a in some) for some in (self.missing, self.artefacts))
        return size * self.unpacked // whole if self.cache.unpacked and whole else size


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStep:
    """One step of the build: its message and its function."""

    text: str
    run: Callable[[BuildPlan, Emit], None]


def _preflight(plan: BuildPlan, emit: Emit) -> None:
    found, missing = plan.choice.interpreter, plan.missing
    emit(Event(kind="note", text=f"Python {found.version} from {found.source}: {found.path}"))
    if plan.artefacts:
        size = amount(sum(artefact.size for artefact in missing))
        text = f"{len(missing)} of {len(plan.artefacts)} wheels to download, {size}"
        emit(Event(kind="note", text=text if missing else "all wheels are in the cache"))
    cache, root = plan.cache, plan.folder.parent
    require_room(
        (
            Need(size=plan.size, what="the environment", folder=root, elsewhere="SDCOREML_ENVS"),
            Need(
                size=plan.cache_bytes, what="wheels", folder=cache.folder, elsewhere=cache.variable
            ),
        )
    )


def _create(plan: BuildPlan, _emit: Emit) -> None:
    plan.base.create(plan.folder, plan.final)
    (plan.folder / manifest.SEALED).mkdir()
    lock = plan.folder / manifest.SEALED / store.LOCK
    lock.write_text(write_lock(plan.packages), encoding="utf-8")
    if isinstance(plan.base, CondaBase):
        conda = plan.folder / manifest.SEALED / store.CONDA_LOCK
        conda.write_text(write_conda_lock(plan.base.lock), encoding="utf-8")


def _install(plan: BuildPlan, _emit: Emit) -> None:
    lock = plan.folder / manifest.SEALED / store.LOCK
    source = replace(plan.source, offline=bool(plan.artefacts) and not plan.missing)
    try:
        plan.installer.install(plan.folder / "bin" / "python", lock, source, keep=(plan.lock_fd,))
    except NoSpaceError as error:
        volumes = (volume_of(folder) for folder in (plan.folder, plan.cache.folder))
        tight = min(volumes, key=lambda volume: volume.free)
        raise NoSpaceError(f"volume {tight.path}: {amount(tight.free)} free: {error}") from None
    normalise.normalise(plan.folder)


def _compile(plan: BuildPlan, emit: Emit) -> None:
    def progress(done: int, total: int) -> None:
        emit(Event(kind="progress", done=done, total=total, unit="files"))

    bytecode.compile_all(plan.folder, progress)


def _compare(plan: BuildPlan, emit: Emit) -> None:
    inventory.require_locked(plan.folder, plan.lock)
    emit(Event(kind="note", text=f"lock {plan.lock.digest[:16]}, target {plan.lock.target}"))


def _smoke(plan: BuildPlan, _emit: Emit) -> None:
    smoke.import_all(plan.folder / "bin" / "python", plan.toolchain.pins)


def _seal(plan: BuildPlan, emit: Emit) -> None:
    def progress(done: int, total: int) -> None:
        emit(Event(kind="progress", done=done, total=total, unit="B"))

    normalise.set_modes(plan.folder)
    entries, recorded = manifest.take(plan.folder, progress), plan.base.record_fields()
    unsealed = Environment(
        name=plan.name,
        path=plan.folder,
        toolchain=plan.toolchain.name,
        target=plan.lock.target,
        lock_digest=plan.lock.digest,
        seal="",
        interpreter=plan.choice.interpreter,
        drift=plan.choice.drift,
        installer=plan.installer.describe(),
        built=datetime.now(timezone.utc),
        files=sum(entry.kind is not EntryKind.FOLDER for entry in entries),
        size=sum(entry.size for entry in entries),
        defects=_defects(plan, entries, emit),
        backend=recorded.get("backend", VENV),
        conda=recorded.get("conda", ""),
        channel=recorded.get("channel", ""),
    )
    sealed = seal(unsealed, entries, plan.final.parent)
    if plan.expected_seal not in ("", sealed.seal):
        raise BrokenError(
            f"the built environment has the seal {sealed.seal}, expected {plan.expected_seal}",
            where=plan.toolchain.name,
            remedy="export it again (the environment in use is as it was)",
        )


def _defects(plan: BuildPlan, entries: tuple[ManifestEntry, ...], emit: Emit) -> tuple[str, ...]:
    """Return the files whose wheel has a wrong RECORD; raise if the cache was altered instead."""
    found = inventory.find_defects(plan.folder, entries)
    owners = {defect.project for defect in found}
    packages = tuple(package for package in plan.packages if package.name in owners)
    how = InstallPlan(
        installer=plan.asked, source=plan.source, bypass_cache=True, lock_fd=plan.lock_fd
    )
    if packages:
        emit(Event(kind="note", text=f"compare {len(found)} files with their wheels"))
        with scratch_environment(plan.base, plan.final, packages, how) as fresh:
            for defect in found:
                _compare_anew(defect, fresh)
    for defect in found:
        emit(Event(kind="warning", text=f"{defect} in the wheel itself: its RECORD is wrong"))
    return tuple(map(str, found))


def _compare_anew(defect: inventory.RecordDefect, fresh: Path) -> None:
    path = fresh / defect.path
    if (manifest.digest_of(path, EntryKind.FILE) if path.is_file() else "") != defect.digest:
        raise BrokenError(
            f"is not what the wheel of {defect.project} holds: the installer's cache was altered",
            where=defect.path,
            remedy="run this again with --no-cache, and clean the cache (`uv cache clean`)",
        )


STEPS = (
    BuildStep(text="check that there is room", run=_preflight),
    BuildStep(text="make an empty environment", run=_create),
    BuildStep(text="install {n} locked packages{download}", run=_install),
    BuildStep(text="compile bytecode", run=_compile),
    BuildStep(text="compare what is installed with the lock", run=_compare),
    BuildStep(text="import the direct pins", run=_smoke),
    BuildStep(text="hash every file and seal", run=_seal),
)

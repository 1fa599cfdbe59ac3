"""Makes a temporary environment of a few locked packages, to copy files from or compare with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.building import bytecode, normalise
from sdcoreml.envs.building.base import Base
from sdcoreml.envs.kept import store
from sdcoreml.envs.processes.installer import PackageSource, find_installer
from sdcoreml.ground.leftovers import BUILDING
from sdcoreml.lockfiles.lock import LockedPackage, write_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """How to install packages: `installer` is "uv", "pip", or "" for either.

    `bypass_cache` ignores the installer's cache, since installers trust cached files without
    hashing them; `lock_fd` is the descriptor of the lock on the folder of environments.
    """

    installer: str
    source: PackageSource
    bypass_cache: bool
    lock_fd: int


@contextmanager
def scratch_environment(
    base: Base, final: Path, packages: tuple[LockedPackage, ...], plan: InstallPlan
) -> Iterator[Path]:
    """Make an environment with these packages beside `final`; remove it after the block.

    Files that contain their own path are written as if they were in `final`.

    Raises:
        InstallError: a package cannot be downloaded, or is not the one that was locked.
    """
    folder = final.with_name(f"{BUILDING}scratch-{os.getpid()}")
    try:
        base.create(folder, final)
        if packages:
            lock = folder / store.LOCK
            lock.write_text(write_lock(packages), encoding="utf-8")
            installer = find_installer(
                plan.installer, folder / "cache" if plan.bypass_cache else None
            )
            installer.install(folder / "bin" / "python", lock, plan.source, keep=(plan.lock_fd,))
            normalise.normalise(folder)
        if packages or base.brings_sources:
            bytecode.compile_all(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

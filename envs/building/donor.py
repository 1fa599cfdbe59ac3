"""A small environment, for a moment: some locked packages, to take files from or compare with."""

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
from sdcoreml.envs.processes.installer import Source, find_installer
from sdcoreml.lockfiles.lock import LockedPackage, write_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Bringing:
    """How packages are brought: by which installer ("" for the better), from where.

    `anew` is past its cache, whose files are trusted to be what once was hashed; `held` is the
    descriptor of the store's lock.
    """

    installer: str
    source: Source
    anew: bool
    held: int


@contextmanager
def donor(
    base: Base, final: Path, packages: tuple[LockedPackage, ...], how: Bringing
) -> Iterator[Path]:
    """An environment with these packages beside `final`, whose place it has; gone after the block.

    Raises:
        InstallError: the packages cannot be reached, or are not what was locked.
    """
    folder = final.with_name(f".building-donor-{os.getpid()}")
    try:
        base.create(folder, final)
        if packages:
            lock = folder / store.LOCK
            lock.write_text(write_lock(packages), encoding="utf-8")
            installer = find_installer(how.installer, folder / "cache" if how.anew else None)
            installer.install(folder / "bin" / "python", lock, how.source, keep=(how.held,))
            normalise.normalise(folder)
        if packages or base.brings_sources:
            bytecode.compile_all(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Finds and removes environments, Pythons and engines that nothing uses any more."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.cluster.dask import DASK
from sdcoreml.envs.conda.engine import ENGINE, engine_name
from sdcoreml.envs.kept.store import (
    Environment,
    find_orphans,
    hold_lock,
    list_environments,
    remove,
    remove_orphans,
)
from sdcoreml.envs.kept.users import is_used
from sdcoreml.envs.pythons.groups import STUDIO
from sdcoreml.envs.pythons.interpreter import OBTAINED
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.refusals import translate_store_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """The unused parts of a folder of environments, which can be removed.

    `environments` are neither in use nor the previous one of any toolchain that there is. `pythons`
    are used by these alone. `engines` are folders of the conda engine and of Dask, for another lock
    or another Python than the present ones. `used` would be among `environments`, but running
    processes use them: they stay.
    """

    environments: tuple[Environment, ...]
    pythons: tuple[Path, ...]
    engines: tuple[Path, ...]
    used: tuple[Environment, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """All folders that can be removed."""
        return (*(one.path for one in self.environments), *self.pythons, *self.engines)

    def sizes(self) -> dict[Path, int]:
        """Return the size in bytes of each folder to remove, if it still exists."""
        known = {one.path: one.size for one in self.environments}
        return known | {path: _size(path) for path in (*self.pythons, *self.engines)}

    def summary(self) -> str:
        """Return a summary such as `2 environments, 1 engine`."""
        counts = {
            "environment": len(self.environments),
            "Python": len(self.pythons),
            "engine": len(self.engines),
        }
        return ", ".join(
            f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count
        )


def find_garbage(folder: Path) -> Garbage:
    """Find the unused parts of a folder of environments; this needs no lock."""
    environments = list_environments(folder)
    orphans = find_orphans(folder)
    loose = [one for one, links in environments.items() if not {*links} - orphans]
    used = tuple(one for one in loose if is_used(one.path))
    unkept = tuple(one for one in loose if one not in used)
    needed = {one.interpreter.path.resolve() for one in environments.keys() - set(unkept)}
    pythons = (path for path in _folders(folder, OBTAINED) if not _is_around(path, needed))
    engines = _folders(folder, ENGINE)
    groups = {one: _folders(folder, one.prefix) for one in (DASK, STUDIO)}
    today = {one.folder_name() for one, found in groups.items() if found}
    today |= {engine_name()} if engines else set()
    others = (path for found in groups.values() for path in found)
    return Garbage(
        environments=unkept,
        used=used,
        pythons=tuple(pythons),
        engines=tuple(path for path in (*engines, *others) if path.name not in today),
    )


def collect(folder: Path, emit: Emit = silent) -> tuple[Garbage, int]:
    """Remove the unused parts of a folder of environments; return them and their size in bytes.

    A Python that we installed is removed with the last environment that used it.
    """
    with hold_lock(folder, emit), translate_store_errors(folder):
        found = find_garbage(folder)
        size = sum(found.sizes().values())
        for path in found.folders:
            remove(path)
        remove_orphans(folder)
    return found, size


def _folders(folder: Path, prefix: str) -> list[Path]:
    """Return the folders with names that we gave them: `prefix`, then a key. Links are left out."""
    ours = re.compile(rf"{prefix}(\d[\d.]*-)?[0-9a-f]{{16}}")
    paths = (path for path in sorted(folder.glob(f"{prefix}*")) if ours.fullmatch(path.name))
    return [path for path in paths if path.is_dir() and not path.is_symlink()]


def _is_around(folder: Path, needed: set[Path]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for path in needed)


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118  many thousands
    return total

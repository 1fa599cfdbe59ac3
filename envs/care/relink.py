"""Links an environment whose Python was removed to another Python of exactly the same version.

Homebrew, pyenv and conda remove old Pythons when they install new ones. Only the few files that
contain the interpreter's path change; the seal does not cover those, so it stays the same.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.building.normalise import set_modes
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.manifest import MACHINE, ManifestEntry
from sdcoreml.envs.kept.sealing import seal
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import Interpreter, choose
from sdcoreml.ground.leftovers import BUILDING
from sdcoreml.lockfiles.toolchain import PythonPin


def find_twin(gone: Interpreter, found: Iterable[Interpreter]) -> Interpreter | None:
    """Find an existing Python of the same version, for the same target."""
    exact = PythonPin(version=gone.version, accepted=f"=={gone.version}")
    choice = choose((one for one in found if one.path.exists()), exact, gone.target)
    return choice.interpreter if choice else None


def relink(environment: Environment, interpreter: Interpreter) -> Environment:
    """Link an environment to `interpreter`; return its new record.

    The caller must hold the lock on the folder of environments. If the process is killed half-way,
    the environment counts as damaged, and the next repair finishes the work.
    """
    folder = environment.path
    entries = {entry.path: entry for entry in manifest.read(folder)}
    with _empty(folder, interpreter) as fresh:
        made = [entry for entry in manifest.take(fresh) if entry.owner == MACHINE]
        for entry in made:
            (fresh / entry.path).replace(folder / entry.path)
    changed = {entry.path: _refresh_time(folder, entry) for entry in made}
    moved = replace(environment, interpreter=interpreter)
    return seal(moved, {**entries, **changed}.values(), folder.parent)


def _refresh_time(folder: Path, entry: ManifestEntry) -> ManifestEntry:
    return replace(entry, mtime=(folder / entry.path).lstat().st_mtime_ns)


@contextmanager
def _empty(folder: Path, interpreter: Interpreter) -> Iterator[Path]:
    """Yield a temporary, empty environment beside `folder`."""
    aside = folder.with_name(f"{BUILDING}relink-{os.getpid()}")
    try:
        venv.create(aside, interpreter)
        set_modes(aside)
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)

"""Puts another Python of the very same version beneath an environment whose own one is gone.

Homebrew, pyenv and conda remove old Pythons when they bring new ones. Only the few entries that
name this machine's interpreter change; no seal covers those, so the seal stays what it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.manifest import MACHINE, ManifestEntry
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import Interpreter, choose
from sdcoreml.lockfiles.toolchain import PythonPin


def find_twin(gone: Interpreter, found: Iterable[Interpreter]) -> Interpreter | None:
    """A Python that is there, of the same version and for the same kind of machine."""
    exact = PythonPin(version=gone.version, accepted=f"=={gone.version}")
    choice = choose((one for one in found if one.path.exists()), exact, gone.target)
    return choice.interpreter if choice else None


def relink(environment: Environment, interpreter: Interpreter) -> Environment:
    """Let an environment rest on `interpreter`; gives it as its record says from now on.

    The store's lock must be held. Killed in between, the environment is found damaged, and the next
    repair does the rest.
    """
    folder = environment.path
    entries = {entry.path: entry for entry in manifest.read(folder)}
    with _empty(folder, interpreter) as fresh:
        made = [entry for entry in manifest.take(fresh) if entry.owner == MACHINE]
        for entry in made:
            (fresh / entry.path).replace(folder / entry.path)
    changed = {entry.path: _as_it_is(folder, entry) for entry in made}
    manifest.write(({**entries, **changed}[path] for path in sorted(entries)), folder)
    moved = replace(environment, interpreter=interpreter)
    store.write(moved)
    return moved


def _as_it_is(folder: Path, entry: ManifestEntry) -> ManifestEntry:
    return replace(entry, mtime=(folder / entry.path).lstat().st_mtime_ns)


@contextmanager
def _empty(folder: Path, interpreter: Interpreter) -> Iterator[Path]:
    """An empty environment beside another one, for as long as the block runs."""
    aside = folder.with_name(f".building-relink-{os.getpid()}")
    try:
        venv.create(aside, interpreter)
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)

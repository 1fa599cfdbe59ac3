"""Chooses the variant of a toolchain for this machine: `light` has locks for several Pythons.

All variants write the same programs, byte for byte, so any available Python will do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.envs.building.base import CONDA, name_of
from sdcoreml.envs.kept import store
from sdcoreml.envs.pythons.interpreter import choose, find_interpreters, probe
from sdcoreml.ground.places import environments_folder
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import PythonPin, Toolchain, load_variants
from sdcoreml.lockfiles.versions import satisfies

if TYPE_CHECKING:
    from sdcoreml.envs.building.build import (
        BuildOptions,  # it brings much that the doctor does not need
    )


def in_use(toolchain: Toolchain, backend: str, root: Path | None = None) -> Toolchain | None:
    """Return the variant whose environment is in use below `root`; None if there is none."""
    forms = load_variants(toolchain)
    if len(forms) == 1:
        return toolchain
    kept = store.current(name_of(toolchain, backend), root or environments_folder())
    if kept is None or kept.target not in toolchain.targets:
        return None
    # Variants may have the same lock, with hashes of wheels for several Pythons.
    for one in forms:
        lock = load_lock(f"{one.folder}/", kept.target)
        if lock.digest == kept.lock_digest and _takes(one, kept.interpreter.version):
            return one
    return None


def fit(toolchain: Toolchain, options: BuildOptions) -> Toolchain:
    """Choose the variant to build or use: the one in use, else the first whose Python is found.

    A Python in `options` decides the choice; `options.strict` disregards the variant in use. If no
    Python fits, or with the conda backend, the result is the toolchain itself.
    """
    forms = load_variants(toolchain)
    if len(forms) == 1 or options.backend == CONDA or host_target() not in toolchain.targets:
        return toolchain
    if options.python is not None:
        named = probe(options.python)
        version = named.version if named else ""
        return next((one for one in forms if version and _takes(one, version)), toolchain)
    if not options.strict and (used := in_use(toolchain, options.backend, options.root)):
        return used
    return next((one for one in forms if is_python_here(one.python)), toolchain)


def is_python_here(pin: PythonPin) -> bool:
    """Return True if this machine has a Python that `pin` accepts."""
    return choose(find_interpreters(pin), pin) is not None


def _takes(toolchain: Toolchain, version: str) -> bool:
    return satisfies(version, toolchain.python.accepted)

"""Seals an environment: writes its manifests, computes the seal, and last writes its record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.beneath import take_beneath
from sdcoreml.envs.kept.manifest import BENEATH, ManifestEntry
from sdcoreml.envs.kept.store import Environment


def seal(environment: Environment, entries: Iterable[ManifestEntry], root: Path) -> Environment:
    """Write the manifests and the record of an environment in `root`; return its final record.

    The environment's Python is listed in its present state; a conda environment contains its own.

    Raises:
        BrokenError: the Python cannot be asked for its paths.
    """
    entries = tuple(entries)
    below = () if environment.conda else take_beneath(environment.interpreter, root)
    manifest.write(entries, environment.path)
    manifest.write(below, environment.path, BENEATH)
    sealed = replace(environment, seal=manifest.seal_of(entries, environment.facts()))
    return record(sealed)


def record(environment: Environment) -> Environment:
    """Write the record of an environment whose manifests are written; return its final record."""
    done = replace(environment, listing=manifest.digest(environment.path), intact=True)
    store.write(done)
    return done

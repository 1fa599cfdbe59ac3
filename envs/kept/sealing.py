"""Seals an environment: its tables, the seal, and last of all its record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.beneath import take_beneath
from sdcoreml.envs.kept.manifest import BENEATH, ManifestEntry
from sdcoreml.envs.kept.store import Environment


def seal(environment: Environment, entries: Iterable[ManifestEntry], root: Path) -> Environment:
    """Write what an environment in the store `root` consists of, and its record; gives that.

    The Python beneath is listed as it is now; a conda environment has its own among the entries.

    Raises:
        BrokenError: the Python beneath does not say where it keeps its files.
    """
    entries = tuple(entries)
    below = () if environment.conda else take_beneath(environment.interpreter, root)
    manifest.write(entries, environment.path)
    manifest.write(below, environment.path, BENEATH)
    sealed = replace(environment, seal=manifest.seal_of(entries, environment.facts()))
    return record(sealed)


def record(environment: Environment) -> Environment:
    """Write the record of an environment whose tables are written; gives the environment."""
    done = replace(environment, listing=manifest.digest(environment.path), intact=True)
    store.write(done)
    return done

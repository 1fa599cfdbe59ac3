"""Compares an environment's `.dist-info` folders with its lock."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.kept import conda_meta
from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry, is_bytecode
from sdcoreml.envs.kept.owners import project_of, read_record
from sdcoreml.envs.pythons.venv import list_projects, site_packages
from sdcoreml.ground.errors import InstallError
from sdcoreml.lockfiles.lock import Lock


def require_locked(folder: Path, lock: Lock) -> None:
    """Raise `InstallError` unless the installed packages are exactly those of the lock.

    A package with a marker may be absent: the installer evaluated the marker. Packages that conda
    installed (some Pythons come with pip) are ignored, but must not be in the lock as well.
    """
    have = list_projects(site_packages(folder))
    theirs = _of_conda(folder)
    want = {package.name: package.version for package in lock.packages}
    needed = {package.name for package in lock.packages if not package.marker}
    faults = [f"{name} {want[name]} is missing" for name in sorted(needed - have.keys())]
    for name, version in have.items():
        if name in theirs:
            if name in want:
                faults.append(f"{name} comes from conda, and from the lock as well")
        elif name not in want:
            faults.append(f"{name} {version} is not in the lock")
        elif _canonical(version) != _canonical(want[name]):
            faults.append(f"{name} is {version}, locked is {want[name]}")
    if faults:
        raise InstallError("; ".join(faults), where=lock.path, remedy="restore the lock with git")


def _of_conda(folder: Path) -> frozenset[str]:
    """Return the projects whose `.dist-info` a conda package installed."""
    infos = (Path(laid.path).parent for laid in conda_meta.list_files(folder))
    return frozenset(project_of(info) for info in infos if info.name.endswith(".dist-info"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDefect:
    """A file that differs from its wheel's RECORD; `digest` is its SHA-256, "" if it is missing."""

    project: str
    path: str
    digest: str

    def __str__(self) -> str:
        """Return a line such as `torch: lib/python3.10/site-packages/torch/x.py differs`."""
        return f"{self.project}: {self.path} {'differs' if self.digest else 'is missing'}"


def find_defects(folder: Path, entries: Iterable[ManifestEntry]) -> tuple[RecordDefect, ...]:
    """Return the files that differ from the RECORD of their wheel.

    Scripts are ignored, since installers write them, and bytecode, which the build writes anew
    over what a wheel may hold (numpy 2.3.5 for Python 3.11 holds one such file).
    """
    digests = {entry.path: entry.digest for entry in entries if entry.kind is not EntryKind.LINK}
    wrong: list[RecordDefect] = []
    for record in sorted(site_packages(folder).glob("*.dist-info/RECORD")):
        for path, digest, *_ in read_record(record):
            inside = os.path.relpath(record.parent.parent / path, folder)
            is_rewritten = inside.startswith("bin/") or is_bytecode(inside)
            if not digest.startswith("sha256=") or is_rewritten:
                continue
            found = digests.get(inside, "")
            if _as_recorded(found) != digest.rstrip("="):
                wrong.append(
                    RecordDefect(project=project_of(record.parent), path=inside, digest=found)
                )
    return tuple(wrong)


def _as_recorded(digest: str) -> str:
    """Write a hexadecimal digest as RECORD does: `sha256=`, then unpadded URL-safe base64."""
    return f"sha256={base64.urlsafe_b64encode(bytes.fromhex(digest)).decode()}".rstrip("=")


def _canonical(version: str) -> str:
    from packaging.utils import canonicalize_version

    return canonicalize_version(version)

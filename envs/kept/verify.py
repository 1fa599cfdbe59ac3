"""Compares an environment with its seal: sizes, times and extra files, or every byte."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sdcoreml.envs.kept import conda_meta, manifest
from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event, silent

STRAY = "(nobody)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One path that differs from the seal, and its owner."""

    path: str
    what: str
    owner: str

    def __str__(self) -> str:
        """Such as `lib/python3.10/site-packages/torch/x.py: altered (torch)`."""
        return f"{self.path}: {self.what} ({self.owner.strip('()')})"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """The number of entries examined, and every fault, sorted by path."""

    files: int
    faults: tuple[Damage, ...]


def verify_fast(environment: Environment) -> VerifyResult:
    """Compare sizes, times, links, and what should not be there; reads only the manifest.

    Raises:
        BrokenError: the manifest itself cannot be read.
    """
    entries = manifest.read(environment.path)
    found = _scan(environment)
    changes = [_glance(environment, entry, found.get(entry.path)) for entry in entries]
    return _outcome(environment, entries, changes, found)


def verify_full(environment: Environment, emit: Emit = silent) -> VerifyResult:
    """Compare every byte, on all cores. A file with the sealed bytes but another time is sound.

    Raises:
        BrokenError: the manifest itself cannot be read.
    """
    entries = manifest.read(environment.path)
    found = _scan(environment)
    done, total = 0, sum(entry.size for entry in entries)
    changes: list[str] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        looked = pool.map(lambda e: _read(environment, e, found.get(e.path)), entries)
        for entry, change in zip(entries, looked, strict=True):
            changes.append(change)
            done += entry.size
            emit(Event(kind="progress", done=done, total=total, unit="B"))
    return _outcome(environment, entries, changes, found)


_Found = dict[str, tuple[EntryKind, os.stat_result]]


def _scan(environment: Environment) -> _Found:
    return {path: (kind, status) for path, kind, status in manifest.scan(environment.path)}


def _glance(
    environment: Environment, entry: ManifestEntry, found: tuple[EntryKind, os.stat_result] | None
) -> str:
    """The fault of a path that its directory entry shows, or ""."""
    if found is None:
        return "missing"
    kind, status = found
    if kind is not entry.kind:
        return f"is a {kind.value}, was a {entry.kind.value}"
    if kind is EntryKind.LINK:
        return _link(environment, entry)
    if status.st_size != entry.size:
        return f"{status.st_size:,} bytes, was {entry.size:,}"
    return "" if status.st_mtime_ns == entry.mtime else "written to since it was sealed"


def _read(
    environment: Environment, entry: ManifestEntry, found: tuple[EntryKind, os.stat_result] | None
) -> str:
    """The fault of a path, comparing its bytes as well, or ""."""
    change = _glance(environment, entry, found)
    if entry.kind is EntryKind.LINK or change not in ("", "written to since it was sealed"):
        return change
    try:
        digest = manifest.digest_of(environment.path / entry.path, entry.kind)
    except BadInputError as error:
        return error.what
    return "" if digest == entry.digest else "altered"


def _link(environment: Environment, entry: ManifestEntry) -> str:
    path = environment.path / entry.path
    if os.readlink(path) != entry.digest:  # noqa: PTH115  Path.readlink is 20 times slower
        return f"points at {path.readlink()}, was {entry.digest}"
    return "" if path.exists() else f"points at {entry.digest}, which is gone"


def _outcome(
    environment: Environment,
    entries: tuple[ManifestEntry, ...],
    changes: Iterable[str],
    found: _Found,
) -> VerifyResult:
    faults = [
        Damage(path=entry.path, what=change, owner=entry.owner)
        for entry, change in zip(entries, changes, strict=True)
        if change
    ]
    strays = found.keys() - {entry.path for entry in entries}
    faults += [Damage(path=path, what="not part of it", owner=STRAY) for path in strays]
    if environment.moved:
        was = environment.interpreter.path.parent.parent
        what = f"was made for {was}, and a conda environment cannot be moved"
        faults.append(Damage(path=conda_meta.FOLDER, what=what, owner=manifest.GENERATED))
    if manifest.seal_of(entries, environment.facts()) != environment.seal:
        path = f"{manifest.SEALED}/{manifest.FILE}"
        faults.append(Damage(path=path, what="does not give the seal", owner=manifest.GENERATED))
    return VerifyResult(
        files=len(entries), faults=tuple(sorted(faults, key=lambda fault: fault.path))
    )

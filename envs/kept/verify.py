"""Compares an environment with its manifest: fast, or every byte.

The fast comparison hashes a file only if its status changed after the sealing, which no program can
hide, or if its time differs. The full one hashes every file. Both compare modes, owners and
folders, and include the environment's Python.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sdcoreml.envs.kept import beneath, former, manifest
from sdcoreml.envs.kept.beneath import PYTHON
from sdcoreml.envs.kept.bytecode_beneath import find_foreign
from sdcoreml.envs.kept.damage import (
    STRAY,
    Damage,
    find_machine_faults,
    find_record_faults,
    find_seal_faults,
)
from sdcoreml.envs.kept.manifest import (
    BENEATH,
    OWN,
    RECORD,
    SEALED,
    EntryKind,
    ManifestEntry,
    Row,
)
from sdcoreml.envs.kept.runs import runs_of
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import BadInputError, BrokenError
from sdcoreml.ground.events import Emit, Event, silent

_TYPES = {
    EntryKind.FILE.value: stat.S_IFREG,
    EntryKind.PROGRAM.value: stat.S_IFREG,
    EntryKind.FOLDER.value: stat.S_IFDIR,
}
_NEW = "was not there when it was sealed"
_FILES = frozenset({EntryKind.FILE, EntryKind.PROGRAM})


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """The number of files examined, and every fault, sorted by path.

    Paths of the environment's Python are absolute, with the owner `envs.kept.beneath.PYTHON`.
    """

    files: int
    faults: tuple[Damage, ...]


def verify_fast(environment: Environment) -> VerifyResult:
    """Compare sizes, modes and links, find extra files, and read files that were changed.

    Raises:
        BrokenError: the manifest itself cannot be read.
    """
    return _verify(environment, silent, deep=False)


def verify_full(environment: Environment, emit: Emit = silent) -> VerifyResult:
    """Compare every byte, on all cores. A file with the right bytes but another time passes.

    Raises:
        BrokenError: the manifest itself cannot be read.
    """
    return _verify(environment, emit, deep=True)


def _verify(environment: Environment, emit: Emit, *, deep: bool) -> VerifyResult:
    folder, is_former = environment.path, environment.is_former
    rows = former.read_rows(folder) if is_former else manifest.read_rows(folder)
    since = -1 if deep else _last_look(folder)
    found = manifest.walk(folder)
    own = {path: found.pop(path) for path in OWN if path in found}
    if is_former:
        found = _as_before(found)
    user = folder.stat().st_uid
    inside = _Part(base=folder, rows=rows, found=found, since=since, user=user)
    below = None if is_former else _beneath(environment, since)
    faults = list(_compare([inside, below] if below else [inside], emit))
    faults += [
        Damage(path=path, what="not part of it", owner=STRAY) for path in inside.find_strays()
    ]
    if below:
        faults = _judge_bytecode(environment, below, faults, deep=deep)
    if not is_former:
        sealed = next((row[1] for row in rows if row[6] == SEALED), "0")
        faults += find_record_faults(environment, own, writable=bool(int(sealed, 8) & 0o022))
        known = {fault.path for fault in faults}
        faults += [one for one in find_machine_faults(environment) if one.path not in known]
    faults += find_seal_faults(environment, rows)
    return VerifyResult(
        files=sum(row[0] != EntryKind.FOLDER.value for row in rows),
        faults=tuple(sorted(dict.fromkeys(faults), key=lambda fault: fault.path)),
    )


def _last_look(folder: Path) -> int:
    """Return the time, in nanoseconds, at which all files were known to be right; see `touch`."""
    record = (folder / SEALED / RECORD).lstat()
    return min(record.st_ctime_ns, record.st_mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One of the two manifests, and the status of each path found on disk.

    `since` is the time in nanoseconds after which a changed status is suspicious; `user` is the id
    of the required owner of every path, None for any.
    """

    base: Path
    rows: list[Row]
    found: Mapping[str, os.stat_result]
    since: int
    user: int | None

    def find_strays(self) -> set[str]:
        """Return the paths that the manifest does not list."""
        return self.found.keys() - {row[6] for row in self.rows}

    def restless(self) -> Iterable[ManifestEntry]:
        """Yield the entries whose status differs from the manifest or is newer; normally few."""
        since, user, found = self.since, self.user, self.found
        for row in self.rows:
            kind, mode, _, size, mtime, _, path = row
            status = found.get(path)
            if (
                status is None
                or status.st_mode != _TYPES.get(kind, 0) + int(mode, 8)
                or (user is not None and status.st_uid != user)
                or (
                    kind != "folder"
                    and (
                        status.st_ctime_ns > since
                        or status.st_size != int(size)
                        or status.st_mtime_ns != int(mtime)
                    )
                )
            ):
                yield manifest.to_entry(row)

    def glance(self, entry: ManifestEntry) -> str | None:
        """Return the fault that a path's status shows, or ""; None if the bytes must be read."""
        status = self.found.get(entry.path)
        if status is None:
            return "" if entry.kind is EntryKind.ABSENT else "missing"
        kind = manifest.kind_of(status)
        if fault := self._glance_at_access(entry, kind, status):
            return fault
        if kind is EntryKind.LINK:
            return self._glance_at_link(entry)
        if kind in _FILES and status.st_size != entry.size:
            return f"{status.st_size:,} bytes, was {entry.size:,}"
        calm = status.st_ctime_ns <= self.since and status.st_mtime_ns == entry.mtime
        return "" if calm or kind is EntryKind.FOLDER else None

    def _glance_at_access(
        self, entry: ManifestEntry, kind: EntryKind, status: os.stat_result
    ) -> str:
        if entry.kind is EntryKind.ABSENT:
            return _NEW
        if kind is not entry.kind:
            return f"is a {kind.value}, was a {entry.kind.value}"
        if entry.mode == former.UNKNOWN:
            return ""
        if self.user not in (None, status.st_uid):
            return f"belongs to user {status.st_uid}, the environment to {self.user}"
        mode = manifest.mode_of(kind, status)
        return "" if mode == entry.mode else f"has the mode {mode:03o}, had {entry.mode:03o}"

    def read(self, entry: ManifestEntry) -> str:
        """Return the fault that a file's bytes show; "" if none."""
        path = self.base / entry.path
        try:
            digest = manifest.digest_of(path, entry.kind)
        except BadInputError as error:
            return error.what
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        return "" if digest == entry.digest else "altered"

    def _glance_at_link(self, entry: ManifestEntry) -> str:
        path = self.base / entry.path
        if (target := os.readlink(path)) != entry.digest:  # noqa: PTH115  20 times faster
            return f"points at {target}, was {entry.digest}"
        if self.user is None or path.exists():
            return ""
        return f"points at {entry.digest}, which is gone"


def _as_before(found: Mapping[str, os.stat_result]) -> dict[str, os.stat_result]:
    """Return only the found paths that a manifest of the former format would list."""
    return {
        path: status
        for path, status in found.items()
        if not stat.S_ISDIR(status.st_mode) and not path.startswith(f"{SEALED}/")
    }


def _beneath(environment: Environment, since: int) -> _Part | None:
    """Return the part of the environment's Python; None if its manifest is lost."""
    try:
        rows = manifest.read_rows(environment.path, BENEATH)
    except BrokenError:
        return None
    roots = beneath.roots_of(row[6] for row in rows if row[0] == EntryKind.FOLDER.value)
    found = beneath.walk_beneath(roots)
    for row in rows:
        if row[6] not in found and (status := beneath.stat_beneath(row[6])) is not None:
            found[row[6]] = status
    return _Part(base=Path("/"), rows=rows, found=found, since=since, user=None)


def _compare(parts: Iterable[_Part], emit: Emit) -> Iterable[Damage]:
    """Yield the faults of all entries, reading files on all cores."""
    looked = [(part, entry, part.glance(entry)) for part in parts for entry in part.restless()]
    unread = [(part, entry) for part, entry, change in looked if change is None]
    done, total = 0, sum(entry.size for _, entry in unread)
    read: list[str] = []
    if unread:
        runs = list(runs_of(unread, lambda one: one[1].size))
        with ThreadPoolExecutor() as pool:
            answers = chain.from_iterable(pool.map(_read, runs))
            for answer, (_, entry) in zip(answers, unread, strict=True):
                read.append(answer)
                done += entry.size
                emit(Event(kind="progress", done=done, total=total, unit="B"))
    said = iter(read)
    for _, entry, change in looked:
        if what := (next(said) if change is None else change):
            yield Damage(path=entry.path, what=what, owner=entry.owner)


def _read(run: Iterable[tuple[_Part, ManifestEntry]]) -> list[str]:
    return [part.read(entry) for part, entry in run]


def _judge_bytecode(
    environment: Environment, below: _Part, faults: list[Damage], *, deep: bool
) -> list[Damage]:
    """Judge the bytecode of the environment's Python by its sources.

    Return the faults with files that were added since it was sealed, and without bytecode that
    changed but still matches its source, or is only missing.
    """
    changed = {
        fault.path: fault
        for fault in faults
        if fault.owner == PYTHON and manifest.is_bytecode(fault.path)
    }
    gone = {path for path, fault in changed.items() if fault.what == "missing"}
    strays = below.find_strays()
    fresh = {path for path in strays if _is_cached(path, below.found[path])}
    others = [fault for fault in faults if fault.path not in changed]
    others += [
        Damage(path=path, what=_NEW, owner=PYTHON)
        for path in strays - fresh
        if not path.endswith("/__pycache__")
    ]
    asked = sorted({*changed} - gone | (fresh if deep else set()))
    if any(fault.owner == PYTHON for fault in others):
        foreign: Iterable[str] = asked  # do not run a Python that was altered
    else:
        foreign = find_foreign(environment.interpreter.path, asked)
    return others + [
        Damage(path=path, what="is not what its source compiles to", owner=PYTHON)
        for path in foreign
    ]


def _is_cached(path: str, status: os.stat_result) -> bool:
    return manifest.is_bytecode(path) and stat.S_ISREG(status.st_mode)

"""Packs and unpacks the archive of an environment; see `envs.care.archive`."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.manifest import EntryKind
from sdcoreml.ground.codec import as_object, from_plain, shown
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import ArchiveError, BadInputError, LockfileError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import open_regular
from sdcoreml.lockfiles.artefact import load_artefacts, pin_wheels
from sdcoreml.lockfiles.lock import LockedPackage, load_lock
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import (
    load_toolchain,
)

RECORD = "environment.json"
SCHEMA = 2
FORMER = 1
"""The schema of older archives, whose seal has another format and cannot be compared."""
WHEELS = "wheels"
MEMBER = re.compile(rf"(?:{WHEELS}/)?[A-Za-z0-9_][A-Za-z0-9._+!-]*")
_LONGEST_RECORD = 1 << 20
_CHUNK = 1 << 20
_AGAIN = "copy or export it again (nothing was built)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRecord:
    """An archive's record; `contents` maps each other member to its SHA-256."""

    toolchain: str
    target: str
    python: str
    lock_digest: str
    seal: str
    contents: Mapping[str, str]


def hash_members(folder: Path) -> dict[str, str]:
    """Map every file below a folder, sorted, to its SHA-256."""
    return {
        path: manifest.digest_of(folder / path, kind)
        for path, kind, _ in sorted(manifest.scan(folder))
        if kind is not EntryKind.FOLDER
    }


def locked_packages(folder: Path, target: str) -> tuple[LockedPackage, ...]:
    """Read the packages of the lock in a folder, each with its wheel's hash if that is known."""
    toolchain = load_toolchain(f"{folder}/")
    lock = load_lock(f"{folder}/", target)
    artefacts = load_artefacts(toolchain, lock)
    return pin_wheels(lock, artefacts) if artefacts else lock.packages


def unlike_lock(carried: ArchiveRecord, packages: Iterable[LockedPackage]) -> list[str]:
    """Return how the archive's wheels differ from the lock, one line each."""
    wheels = {f"sha256:{h}": n for n, h in carried.contents.items() if n.startswith(WHEELS + "/")}
    faults: list[str] = []
    for package in packages:
        mine = [wheels.pop(digest) for digest in package.hashes if digest in wheels]
        if not mine and not package.marker:
            faults.append(f"{package.name} {package.version} has no wheel with a locked hash")
    return faults + [f"{name} is not locked" for name in wheels.values()]


def pack(folder: Path, carried: ArchiveRecord, handle: int, emit: Emit) -> None:
    """Write the record and the members in `folder` to an open file, the archive."""
    total = sum((folder / name).stat().st_size for name in carried.contents)
    text = json.dumps({"schema": SCHEMA, **asdict(carried)}, indent=1, sort_keys=True).encode()
    with (
        open(handle, "wb", closefd=False) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        record = tarfile.TarInfo(RECORD)
        record.size = len(text)
        archive.addfile(record, io.BytesIO(text))
        for name in carried.contents:
            member = tarfile.TarInfo(name)
            member.size = (folder / name).stat().st_size
            with open_regular(folder / name) as data:
                archive.addfile(member, data)
            emit(Event(kind="progress", done=archive.offset, total=total, unit="B"))


def unpack(path: Path, folder: Path, emit: Emit) -> ArchiveRecord:
    """Unpack an archive into a folder and compare every hash."""
    try:
        with (
            open_regular(path, remedy="give a file of `env export`") as stream,
            tarfile.open(path, mode="r:", fileobj=stream) as archive,
        ):
            carried = _read_record(archive)
            if carried.target != host_target():
                raise ArchiveError(
                    f"is for {carried.target}, this machine is {host_target()}",
                    where=path,
                    remedy="export it on a machine of this kind",
                )
            total = os.fstat(stream.fileno()).st_size
            faults = _extract(
                archive,
                carried,
                folder,
                lambda done: emit(Event(kind="progress", done=done, total=total, unit="B")),
            )
    except BadInputError as error:
        raise ArchiveError(error.what, where=path, remedy=error.remedy or _AGAIN) from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArchiveError(
            f"is not an exported environment ({error})", where=path, remedy=_AGAIN
        ) from None
    if not faults:
        try:
            digest = load_lock(f"{folder}/", carried.target).digest
            faults = unlike_lock(carried, locked_packages(folder, carried.target))
        except LockfileError as error:
            raise ArchiveError(f"{error}", where=path) from None
        if digest != carried.lock_digest:
            faults.append("its lock is not the one that was sealed")
    if faults:
        raise ArchiveError("; ".join(faults), where=path, remedy=_AGAIN)
    return carried


def _read_record(archive: tarfile.TarFile) -> ArchiveRecord:
    """Read an archive's record; raise `ValueError`, `TypeError` or `KeyError` if it is invalid."""
    member = archive.next()
    stream = archive.extractfile(member) if member and member.name == RECORD else None
    if stream is None:
        raise ValueError(f"it does not begin with {RECORD}")
    said = parse_json(stream.read(_LONGEST_RECORD), RECORD)
    fields = {**as_object(said, RECORD)}
    if (schema := fields.pop("schema", None)) not in (FORMER, SCHEMA):
        raise ValueError("of another schema")
    carried = from_plain(ArchiveRecord, fields)
    if schema == FORMER:
        carried = replace(carried, seal="")
    if strange := [name for name in carried.contents if not MEMBER.fullmatch(name)]:
        raise ValueError(f"a member named {shown(strange[0])}")
    return carried


def _extract(
    archive: tarfile.TarFile, carried: ArchiveRecord, folder: Path, progress: Callable[[int], None]
) -> list[str]:
    """Unpack the members that the record names; return those missing or with another hash."""
    (folder / WHEELS).mkdir()
    missing, faults = dict(carried.contents), []
    for member in archive:
        if member.name == RECORD:
            continue
        wanted = missing.pop(member.name, None)
        # A member with holes could be a terabyte.
        is_whole = member.isreg() and not member.issparse()
        stream = archive.extractfile(member) if wanted and is_whole else None
        if stream is None:
            faults.append(f"{member.name!r} does not belong in it")
            continue
        digest = hashlib.sha256()
        with (folder / member.name).open("wb") as output:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                output.write(chunk)
        progress(member.offset_data + member.size)
        if digest.hexdigest() != wanted:
            faults.append(f"{member.name} does not have the recorded hash")
    return faults + [f"{name} is missing" for name in missing]

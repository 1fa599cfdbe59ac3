"""Exports an environment as one file: the lock, its wheels, and the seal that must result.

environment.json         the record: toolchain, target, Python, seal, and every member's hash
toolchain.toml           the toolchain, and its locks for one target
requirements.<target>.txt, pylock.<target>.toml
wheels/<file>            the wheel of each package

The file is an uncompressed tar (wheels are compressed already) with sorted members and neither
times nor owners, so the same environment gives the same bytes. On import, every hash is compared
before a member is used.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sdcoreml.envs.building.base import VENV, name_of
from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.manifest import EntryKind
from sdcoreml.envs.kept.store import LOCK, Environment, record_owner, task_folder
from sdcoreml.envs.kept.verify import verify_fast
from sdcoreml.envs.processes.installer import PackageSource, download
from sdcoreml.envs.pythons.interpreter import require
from sdcoreml.ground.aside import file_aside, folder_aside, scratch_folder
from sdcoreml.ground.codec import as_object, from_plain, shown
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import ArchiveError, BadInputError, EnvError, LockfileError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, open_regular, read_bytes
from sdcoreml.ground.outputs import require_beginning
from sdcoreml.ground.places import environments_folder
from sdcoreml.ground.quantity import amount
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.artefact import load_artefacts, pin_wheels
from sdcoreml.lockfiles.lock import Lock, LockedPackage, load_lock
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import (
    FILE,
    OWN,
    PythonPin,
    Toolchain,
    load_shipped,
    load_toolchain,
    toolchain_names,
)

RECORD = "environment.json"
SCHEMA = 2
FORMER = 1
"""The schema of older archives, whose seal has another format and cannot be compared."""
_WHEELS = "wheels"
_MEMBER = re.compile(rf"(?:{_WHEELS}/)?[A-Za-z0-9_][A-Za-z0-9._+!-]*")
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


def export_environment(
    environment: Environment,
    toolchain: Toolchain,
    path: Path,
    *,
    source: PackageSource | None = None,
    emit: Emit = silent,
) -> ArchiveRecord:
    """Pack the wheels, lock and seal of an environment into the archive `path`.

    Raises:
        BadInputError: `path` exists and is not an archive.
        EnvError: the environment is damaged, or was built from an older lock.
        InstallError: a wheel cannot be downloaded, or is not the one that was locked.
    """
    require_beginning(path, RECORD.encode(), "exported environment")
    lock = load_lock(f"{toolchain.folder}/", environment.target)
    _require_exportable(environment, lock)
    with (
        file_aside(path) as aside,
        translate_store_errors(path),
        _work_folder(environment, path) as folder,
    ):
        size = sum(artefact.size for artefact in load_artefacts(toolchain, lock))
        about = f", {amount(size)}" if size else ""
        emit(Event(kind="step", text=f"download {len(lock.packages)} locked wheels{about}"))
        wheels = folder / _WHEELS
        wheels.mkdir()
        sealed = environment.path / manifest.SEALED / LOCK
        download(environment.python, sealed, wheels, source or PackageSource())
        emit(Event(kind="step", text="hash and pack"))
        for file in (FILE, lock.path.name, f"pylock.{lock.target}.toml"):
            if (toolchain.folder / file).exists():
                (folder / file).write_bytes(read_bytes(toolchain.folder / file, Document.LOCK))
        carried = ArchiveRecord(
            toolchain=toolchain.name,
            target=environment.target,
            python=environment.interpreter.version,
            lock_digest=lock.digest,
            seal=environment.seal,
            contents=_hashes(folder),
        )
        if wrong := _unlike_lock(carried, _packages(folder, environment.target)):
            raise EnvError(
                "; ".join(wrong), where=toolchain.folder, remedy="restore the lock with git"
            )
        _pack(folder, carried, aside, emit)
    return carried


def _work_folder(environment: Environment, path: Path) -> AbstractContextManager[Path]:
    """Yield a folder beside the environment, or beside `path` if the environment is another's."""
    store = environment.path.parent
    if os.access(store, os.W_OK | os.X_OK):
        return task_folder(store)
    return scratch_folder(path)


def _require_exportable(environment: Environment, lock: Lock) -> None:
    if lock.digest != environment.lock_digest:
        raise EnvError(
            "was built from another lock than the toolchain has now",
            where=environment.path,
            remedy="run `sdcoreml env`",
        )
    if environment.is_former:
        raise EnvError(
            "was sealed in the format of an earlier version",
            where=environment.path,
            remedy="run `sdcoreml env`, which seals it anew",
        )
    if faults := verify_fast(environment).faults:
        raise EnvError(f"{faults[0]}", where=environment.path, remedy="run `sdcoreml env repair`")


def import_environment(
    path: Path,
    *,
    python: Path | None = None,
    folder: Path | None = None,
    own: Path = Path(OWN),
    emit: Emit = silent,
) -> Environment:
    """Build the environment of an archive without a network, and start using it.

    `python` is the interpreter; `folder` the folder of environments, None for the default. A
    toolchain of somebody's own is written into the folder `own`, unless it is there.

    Raises:
        BadInputError: in `own` is another toolchain of that name.
        ArchiveError: not an archive, damaged, or for another target; nothing was built.
        NoInterpreterError: this machine lacks the Python version that the archive was made with.
        BrokenError: the built environment does not have the archive's seal, and is not used.
    """
    place = folder or environments_folder()
    with translate_store_errors(place), task_folder(place) as unpacked:
        emit(Event(kind="step", text=f"compare every wheel in {path.name} with its lock"))
        carried = _unpack(path, unpacked, emit)
        if not carried.seal:
            text = "its seal is of an earlier format: every wheel is compared, the seal is not"
            emit(Event(kind="warning", text=text))
        toolchain = load_toolchain(f"{unpacked}/")
        kept = _settle(toolchain, carried, own)
        exact = PythonPin(version=carried.python, accepted=f"=={carried.python}")
        options = BuildOptions(
            python=require(exact, python).interpreter.path,
            source=PackageSource(wheels=unpacked / _WHEELS),
            root=place,
            seal=carried.seal,
            name=name_of(kept, VENV),
        )
        made = build(toolchain, options=options, emit=emit)
        if kept.mark:
            record_owner(made.name, place, kept.folder)
        if not (kept.is_shipped or kept.folder.exists()):
            with folder_aside(kept.folder, FILE) as part:
                for name in carried.contents:
                    if "/" not in name:
                        shutil.copyfile(unpacked / name, part / name)
        return made


def _settle(toolchain: Toolchain, carried: ArchiveRecord, own: Path) -> Toolchain:
    """Return the toolchain of an archive as it will be found here: a shipped one, or in `own`."""
    if toolchain.name in toolchain_names():
        return load_shipped(toolchain.name)
    kept = replace(toolchain, folder=own.absolute() / toolchain.name)
    if not kept.folder.exists():
        return kept
    try:
        is_same = load_lock(f"{kept.folder}/", carried.target).digest == carried.lock_digest
    except LockfileError:
        is_same = False
    if not is_same:
        raise BadInputError(
            "is another toolchain of that name",
            where=kept.folder,
            remedy="import it in another folder (nothing was built)",
        )
    return kept


def _hashes(folder: Path) -> dict[str, str]:
    """Map every file below a folder, sorted, to its SHA-256."""
    return {
        path: manifest.digest_of(folder / path, kind)
        for path, kind, _ in sorted(manifest.scan(folder), key=lambda found: found[0])
        if kind is not EntryKind.FOLDER
    }


def _packages(folder: Path, target: str) -> tuple[LockedPackage, ...]:
    """Read the packages of the lock in a folder, each with its wheel's hash if that is known."""
    toolchain = load_toolchain(f"{folder}/")
    lock = load_lock(f"{folder}/", target)
    artefacts = load_artefacts(toolchain, lock)
    return pin_wheels(lock, artefacts) if artefacts else lock.packages


def _unlike_lock(carried: ArchiveRecord, packages: Iterable[LockedPackage]) -> list[str]:
    """Return how the archive's wheels differ from the lock, one line each."""
    wheels = {f"sha256:{h}": n for n, h in carried.contents.items() if n.startswith(_WHEELS + "/")}
    faults: list[str] = []
    for package in packages:
        mine = [wheels.pop(digest) for digest in package.hashes if digest in wheels]
        if not mine and not package.marker:
            faults.append(f"{package.name} {package.version} has no wheel with a locked hash")
    return faults + [f"{name} is not locked" for name in wheels.values()]


def _pack(folder: Path, carried: ArchiveRecord, handle: int, emit: Emit) -> None:
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


def _unpack(path: Path, folder: Path, emit: Emit) -> ArchiveRecord:
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
            faults = _extract(archive, carried, folder, emit)
    except BadInputError as error:
        raise ArchiveError(error.what, where=path, remedy=error.remedy or _AGAIN) from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArchiveError(
            f"is not an exported environment ({error})", where=path, remedy=_AGAIN
        ) from None
    if not faults:
        try:
            digest = load_lock(f"{folder}/", carried.target).digest
            faults = _unlike_lock(carried, _packages(folder, carried.target))
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
    if strange := [name for name in carried.contents if not _MEMBER.fullmatch(name)]:
        raise ValueError(f"a member named {shown(strange[0])}")
    return carried


def _extract(
    archive: tarfile.TarFile, carried: ArchiveRecord, folder: Path, emit: Emit
) -> list[str]:
    """Unpack the members that the record names; return those missing or with another hash."""
    (folder / _WHEELS).mkdir()
    missing, faults = dict(carried.contents), []
    total = Path(os.fsdecode(archive.name or "")).stat().st_size
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
        emit(Event(kind="progress", done=member.offset_data + member.size, total=total, unit="B"))
        if digest.hexdigest() != wanted:
            faults.append(f"{member.name} does not have the recorded hash")
    return faults + [f"{name} is missing" for name in missing]

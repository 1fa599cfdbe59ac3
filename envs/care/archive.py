"""Exports an environment as one file: the lock, its wheels, and the seal that must result.

environment.json         the record: toolchain, target, Python, seal, and every member's hash
toolchain.toml           the toolchain, and its locks for one target; of a user's own,
requirements.<target>.txt, pylock.<target>.toml        every file of its folder
wheels/<file>            the wheel of each package

The file is an uncompressed tar (wheels are compressed already) with sorted members and neither
times nor owners, so the same environment gives the same bytes. On import, every hash is compared
before a member is used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.care.packing import (
    MEMBER,
    RECORD,
    WHEELS,
    ArchiveRecord,
    hash_members,
    locked_packages,
    pack,
    unlike_lock,
    unpack,
)
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.store import LOCK, Environment, task_folder
from sdcoreml.envs.kept.verify import verify_fast
from sdcoreml.envs.processes.installer import PackageSource, download
from sdcoreml.envs.pythons.interpreter import require
from sdcoreml.ground.aside import file_aside, folder_aside, scratch_folder
from sdcoreml.ground.errors import BadInputError, EnvError, LockfileError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_bytes
from sdcoreml.ground.outputs import require_beginning
from sdcoreml.ground.places import environments_folder
from sdcoreml.ground.quantity import amount
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.artefact import load_artefacts
from sdcoreml.lockfiles.lock import Lock, load_lock
from sdcoreml.lockfiles.toolchain import (
    FILE,
    OWN,
    PythonPin,
    Toolchain,
    load_shipped,
    load_toolchain,
    toolchain_names,
)

_SUFFIXES = (".toml", ".txt", ".in", ".yml", ".lock")
"""The files of a toolchain end so."""


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
        wheels = folder / WHEELS
        wheels.mkdir()
        sealed = environment.path / manifest.SEALED / LOCK
        download(environment.python, sealed, wheels, source or PackageSource())
        emit(Event(kind="step", text="hash and pack"))
        for file in _files_of(toolchain, lock):
            (folder / file.name).write_bytes(read_bytes(file, Document.LOCK))
        carried = ArchiveRecord(
            toolchain=toolchain.name,
            target=environment.target,
            python=environment.interpreter.version,
            lock_digest=lock.digest,
            seal=environment.seal,
            contents=hash_members(folder),
        )
        if wrong := unlike_lock(carried, locked_packages(folder, environment.target)):
            raise EnvError(
                "; ".join(wrong), where=toolchain.folder, remedy="restore the lock with git"
            )
        pack(folder, carried, aside, emit)
    return carried


def _files_of(toolchain: Toolchain, lock: Lock) -> Iterator[Path]:
    """Yield the toolchain's files to carry: of a shipped one, those for one target.

    A user's own must be whole where it arrives, to be compared, changed and locked again there.
    """
    needed = {FILE, lock.path.name, f"pylock.{lock.target}.toml"}
    for file in toolchain.folder.iterdir():
        is_known = bool(MEMBER.fullmatch(file.name)) and file.suffix in _SUFFIXES
        is_own = not toolchain.is_shipped and is_known and not file.is_symlink()
        if file.is_file() and (file.name in needed or is_own):
            yield file


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
        carried = unpack(path, unpacked, emit)
        if not carried.seal:
            text = "its seal is of an earlier format: every wheel is compared, the seal is not"
            emit(Event(kind="warning", text=text))
        toolchain = load_toolchain(f"{unpacked}/")
        kept = _settle(toolchain, carried, own)
        exact = PythonPin(version=carried.python, accepted=f"=={carried.python}")
        options = BuildOptions(
            python=require(exact, python).interpreter.path,
            source=PackageSource(wheels=unpacked / WHEELS),
            root=place,
            seal=carried.seal,
            owner=kept,
        )
        with _written(kept, carried, unpacked):
            return build(toolchain, options=options, emit=emit)


@contextmanager
def _written(kept: Toolchain, carried: ArchiveRecord, unpacked: Path) -> Iterator[None]:
    """Write a user's own toolchain unless it is there; remove it again if the block fails.

    It comes before its environment: `env gc` removes what is used by no toolchain that there is.
    """
    is_new = not (kept.is_shipped or kept.folder.exists())
    if is_new:
        with folder_aside(kept.folder, FILE) as part:
            for name in carried.contents:
                if "/" not in name:
                    shutil.copyfile(unpacked / name, part / name)
    try:
        yield
    except BaseException:
        if is_new:
            shutil.rmtree(kept.folder, ignore_errors=True)
        raise


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

"""Repairs what needs no package: modes, owners, folders, links, bytecode and sealed locks."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from sdcoreml.envs.building import bytecode
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.manifest import OWN, SEALED, EntryKind, ManifestEntry
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.aside import open_aside
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import open_regular
from sdcoreml.lockfiles.artefact import load_artefacts, pin_wheels
from sdcoreml.lockfiles.conda import load_conda_lock, write_conda_lock
from sdcoreml.lockfiles.lock import load_lock, write_lock
from sdcoreml.lockfiles.toolchain import Toolchain

_CHUNK = 1 << 20


def tend(folder: Path, entry: ManifestEntry) -> bool:
    """Restore a path's kind, mode and owner from its entry; return False if its bytes are lost."""
    path = folder / entry.path
    if entry.kind is EntryKind.FOLDER:
        if path.is_symlink() or not path.is_dir():
            clear(path)
            path.mkdir(parents=True)
        with suppress(PermissionError):
            os.chown(path, folder.stat().st_uid, -1)
    elif entry.kind is EntryKind.LINK:
        clear(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(entry.digest)
        return True
    elif not _own_bytes(folder, path, entry):
        return False
    path.chmod(entry.mode)
    return True


def clear(path: Path) -> None:
    """Remove a file, link or whole folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _own_bytes(folder: Path, path: Path, entry: ManifestEntry) -> bool:
    """Return True if a file has the sealed bytes; if another user owns it, replace it by a copy."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        path.chmod(entry.mode)
        if manifest.digest_of(path, entry.kind) != entry.digest:
            return False
    except (OSError, BadInputError):
        return False
    _own(path, folder)
    return True


def take_over(folder: Path) -> None:
    """Set owner and modes of an environment's folder, its record and its manifest."""
    folder.chmod(manifest.RUNNABLE)
    (folder / SEALED).chmod(manifest.RUNNABLE)
    for name in OWN:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            _own(path, folder)
            path.chmod(manifest.PLAIN)


def _own(path: Path, folder: Path) -> None:
    """Give a path to the owner of the environment's folder, if necessary by copying the file."""
    user = folder.stat().st_uid
    if path.lstat().st_uid == user:
        return
    with suppress(PermissionError):
        os.chown(path, user, -1, follow_symlinks=False)
        return
    with open_aside(path) as handle, open_regular(path) as source:
        while chunk := source.read(_CHUNK):
            os.write(handle, chunk)


def restore_lock(
    environment: Environment, toolchain: Toolchain | None, entry: ManifestEntry
) -> bool:
    """Write a sealed lock again, if the toolchain still has the same lock; return True if so."""
    if toolchain is None:
        return False
    if entry.path == f"{SEALED}/{store.CONDA_LOCK}":
        text = write_conda_lock(load_conda_lock(toolchain, environment.target))
    elif entry.path == f"{SEALED}/{store.LOCK}":
        lock = load_lock(f"{toolchain.folder}/", environment.target)
        artefacts = load_artefacts(toolchain, lock)
        text = write_lock(pin_wheels(lock, artefacts) if artefacts else lock.packages)
    else:
        return False
    if hashlib.sha256(text.encode()).hexdigest() != entry.digest:
        return False
    path = environment.path / entry.path
    clear(path)
    path.write_text(text, encoding="utf-8")
    path.chmod(entry.mode)
    return True


def compile_again(folder: Path, lost: Sequence[ManifestEntry]) -> None:
    """Compile lost bytecode again and update its entries in the manifest."""
    for entry in lost:
        clear(folder / entry.path)
    bytecode.compile_some(folder, [_source_of(entry.path) for entry in lost])
    made = {entry.path: _refresh_time(folder, entry) for entry in lost}
    manifest.write(_with(manifest.read(folder), made), folder)


def _source_of(path: str) -> str:
    """Return the source of a bytecode file, like `importlib.util.source_from_cache`."""
    place, _, name = path.rpartition("__pycache__/")
    return f"{place}{name.partition('.')[0]}.py"


def _refresh_time(folder: Path, entry: ManifestEntry) -> ManifestEntry:
    path = folder / entry.path
    path.chmod(entry.mode)
    status = path.lstat()
    found = (entry.path, manifest.kind_of(status), status)
    return manifest.describe(folder, found, entry.owner)


def _with(
    entries: Iterable[ManifestEntry], made: dict[str, ManifestEntry]
) -> Iterable[ManifestEntry]:
    return [made.get(entry.path, entry) for entry in entries]

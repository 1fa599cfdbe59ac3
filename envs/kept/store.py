"""The folder of environments: each in its own folder that never changes, and links to those in use.

.envs/<key>/       an environment; the key is a digest of what it was made from
.envs/tested       a link to the environment in use; replaced atomically
.envs/tested~      a link to the environment that was in use before
.envs/mine@*       the same for a toolchain of a user's own; the digits say of which folder
.envs/mine@*^      a link to that folder: once it is gone, nothing uses the environment
.envs/python-*     a Python that we installed to build with
.envs/packages     archives of conda packages; their hashes are compared at each use
.envs/engine-*     the conda engine, once something asked for it
.envs/dask-*       Dask, once something asked for it
.envs/upstream-*   the upstream converter at its tested commit, once something asked for it
.envs/.sdcoreml-*  a build under way, or the leftover of a killed one
.envs/.task.*      files of one task that does not hold the lock; its folder is locked instead
.envs/.lock        held while anything here is changed
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.manifest import RECORD, SEALED
from sdcoreml.envs.pythons.interpreter import Interpreter
from sdcoreml.ground.aside import flush_folder, scratch_folder, write_text
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document
from sdcoreml.ground.leftovers import BUILDING, hidden_path, sweep
from sdcoreml.ground.locks import lock_file, try_lock
from sdcoreml.ground.places import environments_folder
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.toolchain import MARK

LOCK = "requirements.txt"
CONDA_LOCK = "conda.toml"
SCHEMA = 2
FORMER = 1
"""The schema of older records. Their seal also covers bytecode, and their environments have no list
of their Python's files. `envs.care.reseal` seals such an environment anew.
"""
PREVIOUS = "~"
OWNER = "^"
_TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A finished environment, as its record describes it; `path` is its folder, not the link.

    `seal` is a digest of its files (see `envs.kept.manifest`); `built` the time in UTC; `defects`
    are files that differ from their wheel's RECORD because the wheel is wrong. With the backend
    "conda", `conda` is the digest of the conda lock, and `channel` the packages' channel. `listing`
    is the digest of its two manifests; `intact` is false if the record was altered.
    """

    name: str
    path: Path
    toolchain: str
    target: str
    lock_digest: str
    seal: str
    interpreter: Interpreter
    drift: bool
    installer: str
    built: datetime
    files: int
    size: int
    defects: tuple[str, ...]
    backend: str = "venv"
    conda: str = ""
    channel: str = ""
    listing: str = ""
    schema: int = SCHEMA
    intact: bool = True

    @property
    def title(self) -> str:
        """The name of its link, without the mark of a user's own toolchain."""
        return self.name.partition(MARK)[0]

    @property
    def is_former(self) -> bool:
        """True if an earlier version of sdcoreml sealed it, in another format."""
        return self.schema == FORMER

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.path / "bin" / "python"

    @property
    def is_moved(self) -> bool:
        """True for a conda prefix that was moved, so that the path in its files is wrong."""
        return bool(self.conda) and not self.interpreter.path.is_relative_to(self.path)

    def facts(self) -> dict[str, str]:
        """Return the facts that the seal covers in addition to the files."""
        python = self.interpreter.version
        facts = {"lock": self.lock_digest, "target": self.target, "python": python}
        if not self.is_former:
            facts["format"] = f"{self.schema}"
        return facts | {"conda": self.conda} if self.conda else facts


def current(name: str = "tested", folder: Path | None = None) -> Environment | None:
    """Return a toolchain's environment in use; None if there is none with a readable record."""
    found = read(name, (folder or environments_folder()) / name)
    return found if found is not None and found.python.exists() else None


def previous(name: str = "tested", folder: Path | None = None) -> Environment | None:
    """Return the environment that was in use before the current one, if it still exists."""
    return read(name, (folder or environments_folder()) / f"{name}{PREVIOUS}")


def read(name: str, path: Path) -> Environment | None:
    """Read the record of the environment at `path` (a folder or a link); None if it is unfinished.

    The files may have changed since the record was written: see `envs.kept.verify`.
    """
    try:
        real = path.resolve(strict=True)
        fields = read_object(real / SEALED / RECORD, Document.RECORD)
        digest = fields.pop("digest", "")
        if fields.get("schema") not in (FORMER, SCHEMA):
            return None
        found = from_plain(Environment, {**fields, "name": name, "path": os.fspath(real)})
        return replace(found, intact=found.is_former or digest == _digest(fields))
    except (OSError, RuntimeError, BadInputError, DecodeError):
        return None


def write(environment: Environment) -> None:
    """Write the record of a new environment into its folder, and flush it to disk."""
    fields = to_plain(environment)
    for key in ("name", "path", "intact"):
        del fields[key]
    path = environment.path / SEALED / RECORD
    write_text(path, json.dumps({**fields, "digest": _digest(fields)}, indent=1))
    path.chmod(manifest.PLAIN)
    # This is the last change to the environment: any file with a later time was changed afterwards.
    os.utime(path)


def touch(environment: Environment, when: int | None = None) -> None:
    """Make the record newer than all files that were just found right, or restored.

    These need not be read again at every verification. `when` is the time, in nanoseconds, at which
    finding them right began: a file that was changed meanwhile stays newer.
    """
    record = environment.path / SEALED / RECORD
    if when is None:
        os.utime(record)
    else:
        os.utime(record, ns=(when, when))


def _digest(fields: Mapping[str, object]) -> str:
    """Compute the digest of a record, without the field for this digest."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def swap(name: str, folder: Path) -> None:
    """Point the link `name` at `folder`, and `name~` at the environment in use until now."""
    link = folder.parent / name
    with suppress(OSError):
        before = link.readlink()
        if before != Path(folder.name):
            _point(folder.parent / f"{name}{PREVIOUS}", before)
    _point(link, Path(folder.name))
    flush_folder(folder.parent)


def rollback(name: str, folder: Path) -> Environment | None:
    """Put the previous environment back into use; return it, or None if there is none.

    The two links swap their targets, so a second rollback undoes the first.
    """
    before = previous(name, folder)
    if before is not None:
        swap(name, before.path)
    return before


def record_owner(name: str, folder: Path, owner: Path) -> None:
    """Link from the store to the folder of the user's own toolchain that the link `name` is of."""
    _point(folder / f"{name}{OWNER}", owner)


def find_orphans(folder: Path) -> frozenset[str]:
    """Return the names of the links to environments whose toolchain's folder is gone."""
    gone = {path.name[:-1] for path in folder.glob(f"*{MARK}*{OWNER}") if not path.exists()}
    return frozenset({*gone, *(f"{name}{PREVIOUS}" for name in gone)})


def remove_orphans(folder: Path) -> None:
    """Remove the links of `find_orphans`, and what they were found by."""
    for name in find_orphans(folder):
        for path in (folder / name, folder / f"{name}{OWNER}"):
            path.unlink(missing_ok=True)


def list_environments(folder: Path) -> dict[Environment, tuple[str, ...]]:
    """Map every environment in `folder`, the oldest first, to the names of the links to it."""
    links: dict[str, list[str]] = {}
    found: list[Environment] = []
    for path in sorted(folder.glob("*")):
        if path.is_symlink():
            links.setdefault(os.readlink(path), []).append(path.name)  # noqa: PTH115  as text
        elif (one := read(path.name, path)) is not None:
            found.append(one)
    found.sort(key=lambda one: one.built)
    return {one: tuple(links.get(one.path.name, ())) for one in found}


def free_name(folder: Path, key: str) -> Path:
    """Return an unused path for a new environment: `key`, `key.2`, `key.3` ..."""
    path, number = folder / key, 1
    while path.exists():
        number += 1
        path = folder / f"{key}.{number}"
    return path


@contextmanager
def hold_lock(folder: Path, emit: Emit = silent) -> Iterator[int]:
    """Lock a folder of environments, waiting for other processes; yield the lock's descriptor.

    A child that inherits the descriptor holds the lock too. Leftovers of killed tasks are removed.
    """

    def notice(owner: str) -> None:
        text = f"{folder}: another build (process {owner}) is at work; waiting for it"
        emit(Event(kind="note", text=text))

    with ExitStack() as stack:
        with translate_store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(lock_file(folder / ".lock", notice))
        _remove_leftovers(folder)
        yield handle


def remove_leftovers(folder: Path) -> None:
    """Remove what killed tasks left in a store, unless a task is at work there now.

    Call this before measuring the free space: a killed build may have left gigabytes.
    """
    with suppress(OSError):  # there is no store yet, or it is another user's
        handle = os.open(folder / ".lock", os.O_RDWR)
        try:
            if try_lock(handle):
                _remove_leftovers(folder)
        finally:
            os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.glob(f"{BUILDING}*"):
        remove(leftover)
    sweep(folder)


@contextmanager
def task_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder for the files of one task that runs without the lock.

    If the task is killed, the next process to take the lock removes the folder.
    """
    with translate_store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder / _TASK) as path:
        yield path


def remove(folder: Path) -> None:
    """Remove an environment's folder, renaming it first so that it is never seen half removed."""
    trash = folder
    if not folder.name.startswith(BUILDING):
        trash = folder.with_name(f"{BUILDING}removed-{folder.name}")
        folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def _point(link: Path, target: Path) -> None:
    """Make or replace a symbolic link atomically."""
    aside = hidden_path(link, str(os.getpid()))
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(link)

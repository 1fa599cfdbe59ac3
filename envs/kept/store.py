"""Where environments live: folders that never change under a name, and links that point at them.

.envs/<key>/       an environment; the key is a digest of what it was made from
.envs/tested       a link to the one in use; swapped in one step
.envs/tested~      a link to the one that was in use before
.envs/python-*     a Python that was obtained to build with
.envs/packages     archives of conda packages; their hashes are compared at each use
.envs/engine-*     the conda engine, once something asked for it
.envs/upstream-*   the upstream converter at its tested commit, once something asked for it
.envs/.building-sdcoreml-*  a build under way, or what a killed one left
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
from sdcoreml.ground.locks import lock_file
from sdcoreml.ground.places import environments_folder
from sdcoreml.ground.refusals import translate_store_errors

LOCK = "requirements.txt"
CONDA_LOCK = "conda.toml"
SCHEMA = 2
FORMER = 1
"""The schema of records before: their seal covers bytecode, too, and no list of the Python beneath
belongs to it. `envs.care.reseal` seals such an environment anew.
"""
PREVIOUS = "~"
_TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A finished environment, as its record says; `path` is its own folder, not the link.

    `seal` is its one digest; `built` the moment in UTC; `defects` are files that are not what
    their wheel's own RECORD says (the wheel's fault: they are sealed as they are). With the backend
    "conda", `conda` is the digest of the lock of its conda packages, and `channel` their channel.
    `listing` is the digest of both tables; `intact` is whether the record is as it was written.
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
    def is_former(self) -> bool:
        """Whether an earlier version sealed it, in another format."""
        return self.schema == FORMER

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.path / "bin" / "python"

    @property
    def moved(self) -> bool:
        """Whether it is a conda prefix that is no longer where its files say it is."""
        return bool(self.conda) and not self.interpreter.path.is_relative_to(self.path)

    def facts(self) -> dict[str, str]:
        """The facts that the seal covers in addition to the files."""
        python = self.interpreter.version
        facts = {"lock": self.lock_digest, "target": self.target, "python": python}
        if not self.is_former:
            facts["format"] = f"{self.schema}"
        return facts | {"conda": self.conda} if self.conda else facts


def current(name: str = "tested", folder: Path | None = None) -> Environment | None:
    """The environment in use for a toolchain; None when there is none that can be used."""
    found = read(name, (folder or environments_folder()) / name)
    return found if found is not None and found.python.exists() else None


def previous(name: str = "tested", folder: Path | None = None) -> Environment | None:
    """The environment that was in use before the current one."""
    return read(name, (folder or environments_folder()) / f"{name}{PREVIOUS}")


def read(name: str, path: Path) -> Environment | None:
    """The environment at `path` (a folder or a link), or None when it is not a finished one.

    What its record says may no longer be true of it: see `envs.kept.verify`.
    """
    try:
        real = path.resolve(strict=True)
        fields = read_object(real / SEALED / RECORD, Document.RECORD)
        digest = fields.pop("digest", "")
        if fields.get("schema") not in (FORMER, SCHEMA):
            return None
        found = from_plain(Environment, {**fields, "name": name, "path": os.fspath(real)}, "")
        return replace(found, intact=found.is_former or digest == _digest(fields))
    except (OSError, RuntimeError, BadInputError, DecodeError):
        return None


def write(environment: Environment) -> None:
    """Write the record of a new environment into its folder, flushed to disk."""
    fields = to_plain(environment)
    for key in ("name", "path", "intact"):
        del fields[key]
    path = environment.path / SEALED / RECORD
    write_text(path, json.dumps({**fields, "digest": _digest(fields)}, indent=1))
    path.chmod(manifest.PLAIN)
    # The last change of all, the folder's included: what was touched later is newer than this.
    os.utime(path)


def touch(environment: Environment) -> None:
    """Make the record newer than all that was restored since, so that it need not be read again."""
    os.utime(environment.path / SEALED / RECORD)


def _digest(fields: Mapping[str, object]) -> str:
    """The digest of a record without this digest itself."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def swap(name: str, folder: Path) -> None:
    """Let the links `name` and `name~` point at `folder` and at what was in use so far."""
    link = folder.parent / name
    with suppress(OSError):
        before = link.readlink()
        if before != Path(folder.name):
            _point(folder.parent / f"{name}{PREVIOUS}", before)
    _point(link, Path(folder.name))
    flush_folder(folder.parent)


def rollback(name: str, folder: Path) -> Environment | None:
    """Put the environment that was in use before back into use; None when there is none.

    Done twice, it changes nothing: the two change places.
    """
    before = previous(name, folder)
    if before is not None:
        swap(name, before.path)
    return before


def list_environments(folder: Path) -> dict[Environment, tuple[str, ...]]:
    """Every environment of a store, oldest first, and the names of the links that keep it."""
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
    """A path for a new environment that nothing has yet: `key`, `key.2`, `key.3` ..."""
    path, number = folder / key, 1
    while path.exists():
        number += 1
        path = folder / f"{key}.{number}"
    return path


@contextmanager
def hold_lock(folder: Path, emit: Emit = silent) -> Iterator[int]:
    """Hold the lock of a store, waiting for whoever has it; gives the lock's descriptor.

    A child that inherits the descriptor holds the lock too. What killed tasks left is removed.
    """

    def notice(owner: str) -> None:
        text = f"{folder}: another build (process {owner}) is at work; waiting for it"
        emit(Event(kind="note", text=text))

    with ExitStack() as stack:
        with translate_store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(lock_file(folder / ".lock", notice))
        for leftover in folder.glob(f"{BUILDING}*"):
            remove(leftover)
        sweep(folder)
        yield handle


@contextmanager
def task_folder(folder: Path) -> Iterator[Path]:
    """A folder in a store for the files of one task; others may build meanwhile.

    If the task is killed, the next who holds the store's lock removes it.
    """
    with translate_store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder / _TASK) as path:
        yield path


def remove(folder: Path) -> None:
    """Remove a folder of the store, renaming it first so that it is never incomplete."""
    trash = folder
    if not folder.name.startswith(BUILDING):
        trash = folder.with_name(f"{BUILDING}removed-{folder.name}")
        folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def _point(link: Path, target: Path) -> None:
    """Make or change a symbolic link in one step."""
    aside = hidden_path(link, str(os.getpid()))
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(link)

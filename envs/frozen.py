"""A toolchain's lock in uv's own form, for what uv does with a project: bill of materials, audit.

A folder with `pyproject.toml` and `uv.lock`, which uv takes as they are (`--frozen`): nothing is
resolved and no index asked. Who needs whom stands in the comments that the resolver wrote.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from envs.errors import EnvError
from envs.installer import Uv, find_installer
from lockfiles.artefact import Artefact, load_artefacts, tied
from lockfiles.change import asked_by
from lockfiles.errors import LockfileError
from lockfiles.lock import Lock, load_lock
from lockfiles.target import host_target
from lockfiles.toolchain import Toolchain

INDEX = "https://pypi.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A lock of one target: its wheels, and the packages that each package needs."""

    toolchain: Toolchain
    lock: Lock
    artefacts: tuple[Artefact, ...]
    needs: Mapping[str, tuple[str, ...]]


def freeze(toolchain: Toolchain, target: str = "") -> Frozen:
    """The lock of a toolchain for a target, "" for this machine's.

    Raises:
        LockfileError: there is none, or it does not name its wheels.
    """
    lock = load_lock(f"{toolchain.folder}/", target or host_target())
    artefacts = load_artefacts(toolchain, lock)
    if not artefacts:
        raise LockfileError(
            f"{toolchain.folder}: no pylock.{lock.target}.toml, which names wheels; run make lock"
        )
    tied(lock, artefacts)
    whole = load_lock(toolchain.base, lock.target) if toolchain.base else lock
    askers = asked_by(whole.path.read_text(encoding="utf-8"))
    names = tuple(artefact.project for artefact in artefacts)
    return Frozen(
        toolchain=toolchain,
        lock=lock,
        artefacts=artefacts,
        needs={
            name: tuple(other for other in names if name in askers.get(other, ())) for name in names
        },
    )


@contextmanager
def project(frozen: Frozen) -> Iterator[Path]:
    """A folder that uv takes for a project with this lock; gone after the block."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(_pyproject(frozen), encoding="utf-8")
        (folder / "uv.lock").write_text(_lock(frozen), encoding="utf-8")
        yield folder


def uv_command(*words: str) -> list[str]:
    """A command of uv on a frozen project, none of the user's settings.

    Raises:
        EnvError: there is no uv.
    """
    installer = find_installer("uv")
    if not isinstance(installer, Uv):
        raise EnvError("uv: not found; run make bootstrap, which brings it")
    return [os.fspath(installer.program), *words, "--frozen", "--no-config", "--quiet"]


def _pyproject(frozen: Frozen) -> str:
    pins = [f"{name}=={version}" for name, version in frozen.toolchain.pins.items()]
    return (
        f'[project]\nname = "{frozen.toolchain.name}"\nversion = "0"\n'
        f'requires-python = "{_python(frozen)}"\ndependencies = {json.dumps(pins)}\n'
    )


def _lock(frozen: Frozen) -> str:
    head = f'version = 1\nrevision = 3\nrequires-python = "{_python(frozen)}"\n'
    own = f'name = "{frozen.toolchain.name}"\nversion = "0"\nsource = {{ virtual = "." }}\n'
    packages = [own + _dependencies(frozen.toolchain.pins)]
    packages += [
        _package(artefact, frozen.needs[artefact.project]) for artefact in frozen.artefacts
    ]
    return "".join((head, *(f"\n[[package]]\n{package}" for package in packages)))


def _package(artefact: Artefact, needs: Iterable[str]) -> str:
    # uv wants an address with the file's name at its end; nothing is fetched from it.
    place = f"{INDEX}/simple/{artefact.project}/{artefact.file}"
    return (
        f'name = "{artefact.project}"\nversion = "{artefact.version}"\n'
        f'source = {{ registry = "{INDEX}/simple" }}\n{_dependencies(needs)}'
        f'wheels = [{{ url = "{place}", hash = "sha256:{artefact.sha256}",'
        f" size = {artefact.size} }}]\n"
    )


def _dependencies(names: Iterable[str]) -> str:
    rows = "".join(f'    {{ name = "{name}" }},\n' for name in sorted(names))
    return f"dependencies = [\n{rows}]\n" if rows else ""


def _python(frozen: Frozen) -> str:
    return f"=={frozen.toolchain.python.version.rpartition('.')[0]}.*"

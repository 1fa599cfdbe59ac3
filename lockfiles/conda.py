"""Locks of the conda packages that make up a toolchain's Python: exact builds with SHA-256.

`conda.<target>.toml` lists them by paths relative to a channel, without naming one: the hashes make
any mirror safe, and any local folder with the same layout. Hashes are never typed by hand. They
come from a channel (`sdcoreml env lock --conda`) or from public lock files
(`tools/conda_channel.py`), and every entry records its source.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.table import TomlTable, quote, read_table
from sdcoreml.lockfiles.toolchain import FOLDER, Toolchain, lock_command

NOARCH = ("", "generic", "python")
"""Values of `noarch`: "" for packages of one platform, else conda's two kinds for all platforms."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"[a-z0-9-]+/[A-Za-z0-9_][A-Za-z0-9._+!-]*\.(conda|tar\.bz2)")
_HEAD = (
    "# The conda packages of this target's Python. Written by `sdcoreml env lock --conda`, or by\n"
    "# `python -m tools.conda_channel` where no channel could be asked: `known` says which.\n"
)
FROM_CHANNEL = "the index of "
"""What `CondaPackage.known` begins with if the hash came from a channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPackage:
    """One conda package build: `path` is relative to the channel, `noarch` one of `NOARCH`.

    `size` is in bytes, 0 if unknown; `known` says where the hash came from.
    """

    name: str
    version: str
    build: str
    build_number: int
    noarch: str
    path: str
    sha256: str
    size: int
    depends: tuple[str, ...]
    known: str = ""

    @property
    def file(self) -> str:
        """The file name of the package's archive."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaLock:
    """The locked conda packages of Python and its dependencies for one target, sorted by name."""

    target: str
    python: str
    packages: tuple[CondaPackage, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the packages' hashes, in hexadecimal: equal for locks of the same files."""
        lines = (f"{package.sha256} {package.path}\n" for package in self.packages)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def from_channel(self) -> bool:
        """True if the hashes came from a channel's index, False if from public lock files."""
        return all(package.known.startswith(FROM_CHANNEL) for package in self.packages)


def conda_lock_path(toolchain: Toolchain, target: str) -> Path:
    """Return the path of the conda lock; a toolchain with `base` uses its base's lock."""
    folder = FOLDER / toolchain.base if toolchain.base else toolchain.folder
    return folder / f"conda.{target}.toml"


def load_conda_lock(toolchain: Toolchain, target: str) -> CondaLock:
    """Read the conda packages of a toolchain's Python for one target.

    Raises:
        LockfileError: the toolchain does not support the target, or its conda lock is missing or
            damaged.
    """
    toolchain.require_target(target)
    path = conda_lock_path(toolchain, target)
    if not path.exists():
        raise LockfileError(
            (
                f"the conda packages of Python {toolchain.python.version} are not "
                f"locked for {target} yet"
            ),
            where=path,
            remedy=f"{lock_command(path.parent, '--conda')} asks the channel and locks them",
        )
    lock = read_conda_lock(path, target)
    if lock.python != toolchain.python.version:
        raise LockfileError(
            f"locks Python {lock.python}, the toolchain wants {toolchain.python.version}",
            where=path,
            remedy=f"run {lock_command(path.parent, '--conda')}",
        )
    return lock


def read_conda_lock(path: Path, target: str) -> CondaLock:
    """Read a conda lock; raise a `LockfileError` that lists every fault."""
    table = read_table(path)
    values = table.values.get("packages", [])
    rows = values if isinstance(values, list) and all(isinstance(v, dict) for v in values) else []
    packages = tuple(
        _package(TomlTable(path=path, place=f"packages[{n}].", values=row, faults=table.faults))
        for n, row in enumerate(rows)
    )
    python = table.get("python", str)
    table.faults.extend(_faults(python, packages))
    if table.faults:
        raise LockfileError(
            f"{'; '.join(table.faults)}",
            where=path,
            remedy=f"restore it with git, or run {lock_command(path.parent, '--conda')}",
        )
    ordered = tuple(sorted(packages, key=lambda package: package.name))
    return CondaLock(target=target, python=python, packages=ordered)


def write_conda_lock(lock: CondaLock) -> str:
    """Return the lock as text, in the form that `read_conda_lock` reads."""
    lines = [_HEAD + f"python = {quote(lock.python)}"]
    for package in sorted(lock.packages, key=lambda package: package.name):
        lines += [
            "",
            "[[packages]]",
            f"name = {quote(package.name)}",
            f"version = {quote(package.version)}",
            f"build = {quote(package.build)}",
            f"build-number = {package.build_number}",
            f"noarch = {quote(package.noarch)}",
            f"path = {quote(package.path)}",
            f"sha256 = {quote(package.sha256)}",
            f"size = {package.size}",
            f"depends = [{', '.join(map(quote, package.depends))}]",
            f"known = {quote(package.known)}",
        ]
    return "\n".join(lines) + "\n"


def _package(table: TomlTable) -> CondaPackage:
    return CondaPackage(
        name=table.get("name", str),
        version=table.get("version", str),
        build=table.get("build", str),
        build_number=table.get("build-number", int),
        noarch=table.get("noarch", str, ""),
        path=table.get("path", str),
        sha256=table.get("sha256", str),
        size=table.get("size", int),
        depends=table.strings("depends"),
        known=table.get("known", str),
    )


def _faults(python: str, packages: Iterable[CondaPackage]) -> Iterable[str]:
    """Yield what is wrong with the packages of a lock that is valid TOML."""
    versions: dict[str, str] = {}
    for package in packages:
        if package.name in versions:
            yield f"{package.name} is locked twice"
        versions[package.name] = package.version
        if not _SHA256.fullmatch(package.sha256):
            yield f"{package.name} has no SHA-256"
        if not _PATH.fullmatch(package.path):
            yield f"{package.name} has the path {package.path!r}, not subdir/archive"
        if not package.known:
            yield f"{package.name} does not say how its hash is known"
        if package.noarch not in NOARCH:
            yield f"{package.name} is noarch {package.noarch!r}"
    if versions.get("python") != python:
        yield f"python is {versions.get('python', 'missing')}, stated is {python}"

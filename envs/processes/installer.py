"""Installs locked packages into an environment: with uv, or with pip if there is no uv.

Both are told to require hashes, to use wheels only, to resolve nothing (the lock is complete), to
copy files instead of linking them to a cache, and to ignore the user's settings.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdcoreml.envs.mirrors.mirror import index_variables
from sdcoreml.envs.processes.process import ProcessResult, run
from sdcoreml.envs.processes.reasons import explain
from sdcoreml.ground.errors import EnvError

_HARD = ("--require-hashes", "--no-deps", "--only-binary", ":all:")
_CACHED = re.compile(r"already cached: ([A-Za-z0-9._-]+)==")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """Where packages come from: `index` (a URL) or `wheels` (a folder); else the configured index.

    `channel` (name or URL) is for conda packages, "" for the toolchain's. Hashes are checked
    whatever the source. With `offline` the installer uses its cache alone, and no network.
    """

    index: str = ""
    wheels: Path | None = None
    offline: bool = False
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What an installer's cache holds already, and where the installer stores further downloads.

    `cached` are normalised project names; `folder` is where it stores downloads, as wheels or
    `unpacked`; `variable` is the environment variable that moves that folder.
    """

    cached: frozenset[str]
    folder: Path
    unpacked: bool
    variable: str


class Installer(Protocol):
    """A program that installs packages into an environment."""

    def describe(self) -> str:
        """Return the installer's name and version, such as `uv 0.9.1`."""

    def inspect_cache(self, python: Path, requirements: Path, source: PackageSource) -> Cache:
        """Find out, without a network, which of the hashed requirements are cached."""

    def install(
        self, python: Path, requirements: Path, source: PackageSource, keep: Sequence[int] = ()
    ) -> None:
        """Install hashed requirements into the environment of `python`.

        `keep` are descriptors for the child to inherit.

        Raises:
            InstallError: a package cannot be downloaded, or is not the one that was locked.
            NoSpaceError: the disk filled up.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """Installs with uv; uses the user's cache, but copies files (macOS: clones them) out of it."""

    program: Path
    cache: Path | None = None
    """The cache to use instead of the user's; uv does not hash again what is in a cache."""

    def describe(self) -> str:
        """Return the installer's name and version."""
        return " ".join(run([os.fspath(self.program), "--version"]).out.split()[:2]) or "uv"

    def install(
        self, python: Path, requirements: Path, source: PackageSource, keep: Sequence[int] = ()
    ) -> None:
        """Run `uv pip install`."""
        mode = "clone" if sys.platform == "darwin" else "copy"
        command = [*self._command(python, requirements, source), "--quiet", "--link-mode", mode]
        command += ["--offline"] if source.offline else []
        _judge(run(command, environ=_index(source), keep=keep))

    def inspect_cache(self, python: Path, requirements: Path, source: PackageSource) -> Cache:
        """Run `uv pip install --dry-run --offline`; if that fails, nothing counts as cached."""
        with tempfile.TemporaryDirectory() as nowhere:  # or it asks for an environment
            command = [*self._command(python, requirements, source), "--target", nowhere]
            command += ["--verbose", "--dry-run", "--offline"]
            said = run(command, environ=_index(source)).err
        asked = [os.fspath(self.program), "cache", "dir", "--no-config"]
        return Cache(
            cached=frozenset(_CACHED.findall(said)),
            folder=self.cache or Path(run(asked).out.strip() or tempfile.gettempdir()),
            unpacked=True,
            variable="UV_CACHE_DIR",
        )

    def _command(self, python: Path, requirements: Path, source: PackageSource) -> list[str]:
        where = _where(source, self.cache)
        command = [os.fspath(self.program), "pip", "install", "--no-config", *_HARD, *where]
        return [*command, "--python", os.fspath(python), "--requirement", os.fspath(requirements)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pip:
    """Installs with the pip of a given Python, which may be outside the environment."""

    python: Path
    cache: Path | None = None

    def describe(self) -> str:
        """Return the installer's name and version."""
        return " ".join(run([os.fspath(self.python), "-m", "pip", "--version"]).out.split()[:2])

    def inspect_cache(self, python: Path, requirements: Path, source: PackageSource) -> Cache:  # noqa: ARG002  as the Protocol
        """Report nothing as cached: pip copies even cached wheels to the temporary folder."""
        folder = Path(tempfile.gettempdir())
        return Cache(cached=frozenset(), folder=folder, unpacked=False, variable="TMPDIR")

    def install(
        self, python: Path, requirements: Path, source: PackageSource, keep: Sequence[int] = ()
    ) -> None:
        """Run `pip install`."""
        where = _where(source, self.cache)
        command = [os.fspath(self.python), "-m", "pip", "--python", os.fspath(python), "install"]
        command += ["--quiet", *_HARD, "--no-compile", "--no-warn-script-location", *where]
        command += ["--requirement", os.fspath(requirements)]
        _judge(run(command, environ=_index(source), keep=keep))


def _where(source: PackageSource, cache: Path | None = None) -> list[str]:
    """Return the options for a source that is a folder or the cache; none for an index."""
    wheels = source.wheels
    where = ["--no-index", "--find-links", os.fspath(wheels)] if wheels is not None else []
    return where + (["--cache-dir", os.fspath(cache)] if cache is not None else [])


def _index(source: PackageSource) -> Mapping[str, str]:
    """Return the variables that set the index; none if the source is not an index."""
    return index_variables(source.index) if source.wheels is None else {}


def find_installer(name: str = "", cache: Path | None = None) -> Installer:
    """Find the installer named `uv` or `pip`; without a name, uv if it is found, else pip.

    `cache` is a folder to use instead of the user's cache.

    Raises:
        EnvError: no installer was found.
    """
    beside = Path(sys.executable).parent
    uv = shutil.which("uv", path=os.pathsep.join((str(beside), os.environ.get("PATH", ""))))
    if uv is not None and name != "pip":
        return Uv(program=Path(uv), cache=cache)
    pip = Pip(python=Path(sys.executable), cache=cache)
    if name != "uv" and pip.describe():
        return pip
    raise EnvError("not found", where=name or "uv and pip", remedy="run `make bootstrap`")


def download(python: Path, requirements: Path, folder: Path, source: PackageSource) -> None:
    """Download the wheels of hashed requirements for `python` into a folder, with pip.

    uv cannot do it: it downloads wheels only to install them, and does not keep them.

    Raises:
        InstallError: a package cannot be downloaded, or is not the one that was locked.
        NoSpaceError: the disk filled up.
    """
    where = _where(source)
    command = [sys.executable, "-m", "pip", "--python", os.fspath(python), "download", "--quiet"]
    command += [*_HARD, *where, "--dest", os.fspath(folder)]
    # pip first downloads to its temporary folder; this puts that on a volume with enough space.
    environ = {"TMPDIR": os.fspath(folder.parent), **_index(source)}
    _judge(run([*command, "--requirement", os.fspath(requirements)], environ=environ))


def _judge(finished: ProcessResult) -> None:
    """Raise the error that the installer's output stands for, if the installer failed."""
    if finished.code != 0:
        raise explain(finished)

"""Brings locked packages into an environment: by uv, or by pip where there is no uv.

Whichever it is: hashes required, wheels only, no resolution (the lock is complete), copied and
never linked into a cache, and none of the user's settings.
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
    """Where packages come from: the index in force unless `index` (a URL) or `wheels` (a folder).

    `channel` (name or URL) is that of conda packages, "" for the toolchain's. The hashes of the
    locks admit the same files from anywhere. With `offline` the installer has
    them all, and asks nobody.
    """

    index: str = ""
    wheels: Path | None = None
    offline: bool = False
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What an installer's cache already has of some requirements, and where it puts the rest.

    `cached` are normalised project names; `folder` is where it keeps what it downloads, as wheels
    or `unpacked`, and `variable` the environment variable that moves it.
    """

    cached: frozenset[str]
    folder: Path
    unpacked: bool
    variable: str


class Installer(Protocol):
    """Whoever can bring packages into an environment."""

    def describe(self) -> str:
        """Name and version, such as `uv 0.9.1`."""

    def inspect_cache(self, python: Path, requirements: Path, source: PackageSource) -> Cache:
        """Find out, without a network, what need not be fetched for hashed requirements."""

    def install(
        self, python: Path, requirements: Path, source: PackageSource, keep: Sequence[int] = ()
    ) -> None:
        """Install hashed requirements into the environment of `python`.

        `keep` are descriptors that the child inherits.

        Raises:
            InstallError: not reachable, not there, or not what was locked.
            NoSpaceError: the disk filled up.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """Installs with uv; the cache is shared, but files are copied (macOS: cloned) out of it."""

    program: Path
    cache: Path | None = None
    """A cache other than the usual one, which is trusted to hold what once was hashed."""

    def describe(self) -> str:
        """Name and version."""
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
        """Run `uv pip install --dry-run --offline`; nothing is cached where it cannot tell."""
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
    """Installs with the pip of a given Python, which need not be in the environment itself."""

    python: Path
    cache: Path | None = None

    def describe(self) -> str:
        """Name and version."""
        return " ".join(run([os.fspath(self.python), "-m", "pip", "--version"]).out.split()[:2])

    def inspect_cache(self, python: Path, requirements: Path, source: PackageSource) -> Cache:  # noqa: ARG002  as the Protocol
        """Pip gathers all wheels in the temporary folder, those of its cache as well."""
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
    """The options that say where packages come from, unless it is an index."""
    wheels = source.wheels
    where = ["--no-index", "--find-links", os.fspath(wheels)] if wheels is not None else []
    return where + (["--cache-dir", os.fspath(cache)] if cache is not None else [])


def _index(source: PackageSource) -> Mapping[str, str]:
    """The variables that name the index in force, unless none is asked."""
    return index_variables(source.index) if source.wheels is None else {}


def find_installer(name: str = "", cache: Path | None = None) -> Installer:
    """The installer of that name (`uv` or `pip`), or uv if there is one, else pip.

    `cache` is a folder to use for a cache instead of the usual one.

    Raises:
        EnvError: there is none.
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
    """Bring the wheels that `python` would get of hashed requirements into a folder, with pip.

    uv keeps no wheels, and brings none without installing them.

    Raises:
        InstallError: not reachable, not there, or not what was locked.
        NoSpaceError: the disk filled up.
    """
    where = _where(source)
    command = [sys.executable, "-m", "pip", "--python", os.fspath(python), "download", "--quiet"]
    command += [*_HARD, *where, "--dest", os.fspath(folder)]
    # pip gathers them in its temporary folder first: on the same volume, where there is room.
    environ = {"TMPDIR": os.fspath(folder.parent), **_index(source)}
    _judge(run([*command, "--requirement", os.fspath(requirements)], environ=environ))


def _judge(finished: ProcessResult) -> None:
    """Raise what the installer's own words mean, unless it succeeded."""
    if finished.code != 0:
        raise explain(finished)

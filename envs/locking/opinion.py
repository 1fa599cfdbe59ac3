"""A second opinion on a lock: pip-tools resolves the same pins, and must come to the same versions.

pip-compile evaluates markers for the Python that runs it, whatever its options say. So the
pip-tools that is installed here (the extra `locking`) is run by the toolchain's Python: a
throw-away environment gets it through a `.pth` file. It is pure Python, so nothing is installed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol, cast

from sdcoreml.envs.locking.compile import LockRequest, requirements_in
from sdcoreml.envs.mirrors.mirror import index_variables
from sdcoreml.envs.processes.process import isolate, run
from sdcoreml.envs.processes.reasons import explain, quote
from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import Interpreter, require
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import (
    EnvError,
    InstallError,
    NoInterpreterError,
    NoOpinionError,
    UnreachableError,
)
from sdcoreml.ground.names import normalise
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.artefact import environment
from sdcoreml.lockfiles.lock import Lock, load_lock
from sdcoreml.lockfiles.target import TARGETS, host_target
from sdcoreml.lockfiles.toolchain import Toolchain

_TOOL = "pip-tools"
_INSTALL = "run `python -m pip install 'sdcoreml[locking]'` (a checkout's .venv has it)"
_PLAIN = ("--no-header", "--no-annotate", "--no-emit-options", "--strip-extras", "--allow-unsafe")


class Resolver(Protocol):
    """Resolves pins for this machine."""

    def describe(self) -> str:
        """Who gives the opinion, such as `pip-tools 7.6.2 under Python 3.10.10`."""

    def resolve(self, pins: str, seed: str, request: LockRequest) -> Mapping[str, str]:
        """Normalised project names and versions that the requirements `pins` resolve to.

        The versions in the requirements `seed` are kept where they serve.

        Raises:
            NoOpinionError: it cannot be asked.
            InstallError: it finds no resolution.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """The tool used, the number of packages compared, and each difference in one line."""

    by: str
    target: str
    packages: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipTools:
    """Asks the pip-tools of that `version` in the folder `library`, run by `interpreter`."""

    interpreter: Interpreter
    version: str
    library: Path

    def describe(self) -> str:
        """Name, version, and the Python it resolves for."""
        return f"{_TOOL} {self.version} under Python {self.interpreter.version}"

    def resolve(self, pins: str, seed: str, request: LockRequest) -> Mapping[str, str]:
        """Run `python -m piptools compile`."""
        with tempfile.TemporaryDirectory() as name, translate_store_errors(Path(name)):
            folder = Path(name)
            venv.create(folder / "tool", self.interpreter)
            library = site_packages(folder / "tool") / "library.pth"
            library.write_text(f"{self.library}\n", encoding="utf-8")
            python = folder / "tool" / "bin" / "python"
            (folder / "requirements.in").write_text(pins, encoding="utf-8")
            output = folder / "requirements.txt"
            output.write_text(seed, encoding="utf-8")
            command = [*isolate(python), "-m", "piptools", "compile", "--quiet", "--no-config"]
            command += [*_PLAIN, *_limits(request), "--output-file", output.name, "requirements.in"]
            done = run(command, cwd=folder, environ=index_variables(request.index))
            if done.code == 0:
                return _versions(output.read_text(encoding="utf-8"))
            if missing := re.search("^ModuleNotFoundError: (.*)", done.err, re.MULTILINE):
                raise NoOpinionError(missing[1], where=self.describe(), remedy=_INSTALL)
            # What follows is a traceback even where the cause is plain.
            plain = done.err.partition("Traceback (most")[0] or done.err[-200:]
            error = explain(replace(done, err=plain))
            if isinstance(error, UnreachableError):
                raise NoOpinionError(str(error))
            if type(error) is not InstallError:
                raise error
            raise InstallError(
                f"requirements.in: {self.describe()} finds no resolution: {quote(plain)}",
                remedy="choose pins that both resolvers can meet",
            )


def find_pip_tools() -> Distribution:
    """The pip-tools that is installed here. Raises `EnvError` where there is none."""
    try:
        return distribution(_TOOL)
    except PackageNotFoundError:
        raise EnvError("not installed", where=_TOOL, remedy=_INSTALL) from None


def pip_tools(toolchain: Toolchain, python: Path | None = None) -> PipTools:
    """The pip-tools installed here, for the Python of a toolchain or for the one at `python`.

    Raises:
        EnvError: pip-tools is not installed.
        NoOpinionError: there is no such Python here.
    """
    tool = find_pip_tools()
    try:
        interpreter = require(toolchain.python, python).interpreter
    except NoInterpreterError as error:
        raise NoOpinionError(f"{error}", where=_TOOL) from error
    return PipTools(
        interpreter=interpreter, version=tool.version, library=Path(str(tool.locate_file("")))
    )


def second_opinion(
    toolchain: Toolchain, resolver: Resolver, request: LockRequest | None = None
) -> Opinion:
    """Let another resolver judge a toolchain's lock for this machine.

    Like uv, it starts from the locked versions, unless `request` asks for an upgrade.

    Raises:
        LockfileError: no lock for this machine.
        NoOpinionError: it cannot be asked.
        InstallError: it finds no resolution.
    """
    lock = load_lock(f"{toolchain.folder}/", host_target())
    locked = _applying(lock, toolchain)
    request = request or LockRequest()
    seed = "" if request.upgrade else "".join(f"{n}=={v}\n" for n, v in locked.items())
    found = resolver.resolve(requirements_in(toolchain), seed, request)
    return Opinion(
        by=resolver.describe(),
        target=lock.target,
        packages=len(locked),
        differences=tuple(_differences(locked, found)),
    )


def _differences(locked: Mapping[str, str], found: Mapping[str, str]) -> Iterable[str]:
    from packaging.version import Version

    for name in sorted(locked.keys() | found.keys()):
        if name not in locked:
            yield f"{name} {found[name]} is not locked"
        elif name not in found:
            yield f"{name} {locked[name]} is locked and not needed"
        elif Version(found[name]) != Version(locked[name]):
            yield f"{name} resolves to {found[name]}, locked is {locked[name]}"


def _applying(lock: Lock, toolchain: Toolchain) -> dict[str, str]:
    """The locked versions of those packages whose markers admit the lock's target."""
    from packaging.markers import Marker

    here = cast("dict[str, str]", environment(TARGETS[lock.target], toolchain.python.version))
    return {
        package.name: package.version
        for package in lock.packages
        if not package.marker or Marker(package.marker).evaluate(here)
    }


def _versions(text: str) -> dict[str, str]:
    """Names and versions of the requirements that pip-compile wrote."""
    found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)", text, re.MULTILINE)
    return {normalise(name): version for name, version in found}


def _limits(request: LockRequest) -> Iterable[str]:
    """A request as options of pip-compile."""
    # Only when it tries again does pip say that it was the network.
    yield from ("--pip-args", "--only-binary :all: --retries 2")
    if request.wheels is not None:
        yield from ("--no-index", "--find-links", os.fspath(request.wheels.absolute()))
    if request.exclude_newer:
        yield from ("--uploaded-prior-to", _moment(request.exclude_newer))


def _moment(text: str) -> str:
    """The day after a date: uv includes the day it is given, pip excludes it."""
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except ValueError:
        return text

"""Checks a lock with a second resolver: pip-tools must resolve the pins to the same versions.

pip-compile always evaluates markers for the Python that runs it. So we run the installed pip-tools
(the extra `locking`) with the toolchain's Python: a temporary environment finds it through a `.pth`
file, which works because pip-tools is pure Python.
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
        """Return the resolver's name, such as `pip-tools 7.6.2 under Python 3.10.10`."""

    def resolve(self, pins: str, seed: str, request: LockRequest) -> Mapping[str, str]:
        """Resolve the requirements `pins` to versions, by normalised project name.

        The versions in the requirements `seed` are preferred where they satisfy the pins.

        Raises:
            NoOpinionError: the resolver cannot be run.
            InstallError: the resolver finds no solution.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """A second resolver's result: its name, the number of compared packages, the differences."""

    by: str
    target: str
    packages: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipTools:
    """Resolves with the pip-tools `version` in the folder `library`, run by `interpreter`."""

    interpreter: Interpreter
    version: str
    library: Path

    def describe(self) -> str:
        """Return name, version, and the Python it resolves for."""
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
            plain = _plain(done.err)
            error = explain(replace(done, err=plain))
            if isinstance(error, UnreachableError):
                raise NoOpinionError(str(error))
            if type(error) is not InstallError:
                raise error
            raise InstallError(
                f"requirements.in: {self.describe()} finds no resolution: {quote(plain)}",
                remedy="choose pins that both resolvers can meet",
            )


def _plain(words: str) -> str:
    """Return what pip-compile said without the traceback that it prints even for a simple error."""
    before, _, traceback = words.partition("Traceback (most")
    return before.strip() or re.split(r"^(?=[\w.]+: )", traceback, flags=re.MULTILINE)[-1][-200:]


def find_pip_tools() -> Distribution:
    """Find the pip-tools that is installed here; raise `EnvError` if there is none."""
    try:
        return distribution(_TOOL)
    except PackageNotFoundError:
        raise EnvError("not installed", where=_TOOL, remedy=_INSTALL) from None


def pip_tools(toolchain: Toolchain, python: Path | None = None) -> PipTools:
    """Return a `PipTools` that runs with the Python at `python`, else with the toolchain's.

    Raises:
        EnvError: pip-tools is not installed.
        NoOpinionError: this machine has no such Python.
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
    """Compare a toolchain's lock for this machine with the result of another resolver.

    Like uv, it starts from the locked versions, unless `request` asks for an upgrade.

    Raises:
        LockfileError: there is no lock for this machine.
        NoOpinionError: the resolver cannot be run.
        InstallError: the resolver finds no solution.
    """
    lock = load_lock(f"{toolchain.folder}/", host_target())
    locked = _applying(lock, toolchain)
    request = request or LockRequest()
    # pip's limit knows no exceptions; with some, the versions that uv chose are its limit.
    newest = request.exclude_newer or ("" if toolchain.exceptions else toolchain.exclude_newer)
    request = replace(request, exclude_newer=newest)
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
    """Return the locked versions of the packages whose markers apply to the lock's target."""
    from packaging.markers import Marker

    here = cast("dict[str, str]", environment(TARGETS[lock.target], toolchain.python.version))
    return {
        package.name: package.version
        for package in lock.packages
        if not package.marker or Marker(package.marker).evaluate(here)
    }


def _versions(text: str) -> dict[str, str]:
    """Parse names and versions from the requirements that pip-compile wrote."""
    found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)", text, re.MULTILINE)
    return {normalise(name): version for name, version in found}


def _limits(request: LockRequest) -> Iterable[str]:
    """Translate a request into options of pip-compile."""
    # pip reports a network error only when it retries.
    yield from ("--pip-args", "--only-binary :all: --retries 2")
    if request.wheels is not None:
        yield from ("--no-index", "--find-links", os.fspath(request.wheels.absolute()))
    if request.exclude_newer:
        yield from ("--uploaded-prior-to", _moment(request.exclude_newer))


def _moment(text: str) -> str:
    """Return the day after a date: uv includes the given day, pip excludes it."""
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except ValueError:
        return text

"""Obtains the exact Python of a toolchain: from uv, from conda's packages, or with pyenv.

`PROVIDERS` is the whole of it, the quickest first. Each says why it cannot help here before it is
tried, so that a failure names every way and what is in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.conda.engine import Engine
from sdcoreml.envs.conda.prefix import CondaBase
from sdcoreml.envs.processes.installer import Uv, find_installer
from sdcoreml.envs.processes.process import ProcessResult, run
from sdcoreml.envs.processes.reasons import quote
from sdcoreml.envs.pythons.interpreter import (
    OBTAINED,
    UV_LACKS,
    Choice,
    choose,
    find_interpreters,
    require,
)
from sdcoreml.ground.errors import EnvError, LockfileError, NoInterpreterError, NoSpaceError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.lockfiles.conda import load_conda_lock
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import PythonPin, Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonWish:
    """A Python that is wanted: for which toolchain, below which folder, from which channel."""

    toolchain: Toolchain
    root: Path
    channel: str
    engine: Callable[[], Engine]
    emit: Emit
    environ: Mapping[str, str]

    @property
    def version(self) -> str:
        """The exact one."""
        return self.toolchain.python.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A way to a Python: `lacks` says why it is none here, or ""; `provide` goes it."""

    name: str
    lacks: Callable[[PythonWish], str]
    provide: Callable[[PythonWish], Path]


def obtain(wish: PythonWish) -> Choice:
    """The exact Python: the one that is here already, else one that is brought.

    Raises:
        NoInterpreterError: no provider could; it says why of each.
        NoSpaceError: the disk is full.
    """
    exact = PythonPin(version=wish.version, accepted=f"=={wish.version}")
    here = choose(find_interpreters(exact, wish.environ), exact)
    if here is not None:
        return here
    reasons: list[str] = []
    for provider in PROVIDERS:
        reason = provider.lacks(wish)
        if not reason:
            try:
                return require(exact, provider.provide(wish))
            except NoSpaceError:
                raise
            except EnvError as error:
                reason = str(error)
        reasons.append(f"{provider.name}: {reason}")
    raise NoInterpreterError(
        f"no Python {wish.version} could be obtained: {'; '.join(reasons)}",
        remedy="install it by hand and name it with --python PATH",
    )


def _uv_lacks(wish: PythonWish) -> str:
    if wish.version in UV_LACKS:
        return f"it has no {wish.version}"
    return "" if _uv() else "not found"


def _by_uv(wish: PythonWish) -> Path:
    program = os.fspath(_uv() or "uv")
    wish.emit(Event(kind="step", text=f"let uv bring Python {wish.version}"))
    own = _passed(wish.environ, "UV_PYTHON_INSTALL_DIR")
    install = [program, "python", "install", "--quiet", "--no-config", "--no-bin", wish.version]
    _judge("uv", run(install, environ=own))
    find = [program, "python", "find", "--no-config", "--system", "--managed-python", wish.version]
    return _named("uv", run(find, environ=own))


def _uv() -> Path | None:
    try:
        installer = find_installer("uv")
    except EnvError:
        return None
    return installer.program if isinstance(installer, Uv) else None


def _conda_lacks(wish: PythonWish) -> str:
    try:
        load_conda_lock(wish.toolchain, host_target())
    except LockfileError as error:
        return str(error)
    return ""


def _by_conda(wish: PythonWish) -> Path:
    lock = load_conda_lock(wish.toolchain, host_target())
    final = wish.root / f"{OBTAINED}{lock.python}-{lock.digest[:16]}"
    if not final.exists():
        wish.emit(Event(kind="step", text=f"bring Python {lock.python} from {wish.channel}"))
        aside = wish.root / f".building-{final.name}-{os.getpid()}"
        base = CondaBase(
            lock=lock, channel=wish.channel, root=wish.root, engine=wish.engine, emit=wish.emit
        )
        try:
            base.create(aside, final)
            aside.rename(final)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return final / "bin" / "python"


def _pyenv_lacks(wish: PythonWish) -> str:
    return "" if _pyenv(wish) else "not on PATH"


def _by_pyenv(wish: PythonWish) -> Path:
    program = _pyenv(wish) or "pyenv"
    wish.emit(Event(kind="step", text=f"let pyenv build Python {wish.version} (minutes)"))
    own = _passed(wish.environ, "PYENV_ROOT")
    _judge("pyenv", run([program, "install", "--skip-existing", wish.version], environ=own))
    return _named("pyenv", run([program, "prefix", wish.version], environ=own)) / "bin" / "python"


def _pyenv(wish: PythonWish) -> str | None:
    return shutil.which("pyenv", path=wish.environ.get("PATH"))


def _passed(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """A setting that says where a provider keeps its Pythons: it may go through."""
    return {name: environ[name]} if environ.get(name) else {}


def _judge(name: str, done: ProcessResult) -> None:
    if done.code != 0:
        last = (done.err or done.out).strip().rpartition("\n")[2]
        said = quote(last) or f"exit code {done.code}"
        raise NoInterpreterError(f"it could not ({name} said: {said})")


def _named(name: str, done: ProcessResult) -> Path:
    """The path that a provider printed."""
    _judge(name, done)
    return Path(done.out.strip())


PROVIDERS = (
    Provider(name="uv", lacks=_uv_lacks, provide=_by_uv),
    Provider(name="conda", lacks=_conda_lacks, provide=_by_conda),
    Provider(name="pyenv", lacks=_pyenv_lacks, provide=_by_pyenv),
)

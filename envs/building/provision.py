"""Installs the exact Python of a toolchain: with uv, from conda's packages, or with pyenv.

`PROVIDERS` lists these, the quickest first. Before a provider is tried it is asked whether it can
work here, so that a failure names every provider with its reason. Unless `strict` demands the
exact version, another accepted version is used if the exact one cannot be installed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

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
from sdcoreml.ground.errors import (
    EnvError,
    LockfileError,
    NoInterpreterError,
    NoSpaceError,
    UnreachableError,
)
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.leftovers import BUILDING
from sdcoreml.lockfiles.conda import load_conda_lock
from sdcoreml.lockfiles.conda_files import channel_url
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import PythonPin, Toolchain

_RETRIES = "UV_HTTP_RETRIES"
_OTHER_CHANNEL = "check the network and proxy (HTTPS_PROXY), or give another --channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonWish:
    """The request for a Python: its toolchain, the folder to install below, the conda channel."""

    toolchain: Toolchain
    root: Path
    channel: str
    engine: Callable[[], Engine]
    emit: Emit
    environ: Mapping[str, str]

    @property
    def version(self) -> str:
        """The exact Python version that the toolchain was tested with."""
        return self.toolchain.python.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A program that can install a Python, by `provide`; `lacks` says why it cannot here, or "".

    A `slow` provider takes minutes, and is tried only if `strict` demands the exact version.
    """

    name: str
    lacks: Callable[[PythonWish], str]
    provide: Callable[[PythonWish], Path]
    slow: bool = False


def obtain(wish: PythonWish, *, strict: bool = True) -> Choice:
    """Return the exact Python: one found on this machine, else a newly installed one.

    Unless `strict`, slow providers are skipped, and if the others fail, another accepted version
    is returned.

    Raises:
        NoInterpreterError: none was found or could be installed; gives each provider's reason.
        NoSpaceError: the disk is full.
    """
    pin = _exactly(wish.version) if strict else wish.toolchain.python
    here = choose(find_interpreters(pin, wish.environ), pin)
    if here is not None and not here.drift:
        return here
    failures: dict[str, EnvError | LockfileError] = {}
    for provider in PROVIDERS:
        if strict or not provider.slow:
            brought = _bring(provider, wish)
            if isinstance(brought, Choice):
                return brought
            failures[provider.name] = brought
    missing = f"no Python {wish.version} could be obtained"
    if not strict:
        short = "; ".join(f"{name}: {error.what}" for name, error in failures.items())
        wish.emit(Event(kind="note", text=f"{missing}: {short}"))
        if (standing := here or _another_by_uv(wish, failures)) is not None:
            return standing
    raise NoInterpreterError(
        f"{missing}: {'; '.join(f'{name}: {error}' for name, error in failures.items())}",
        remedy="install it by hand and name it with --python PATH",
    )


def _exactly(version: str) -> PythonPin:
    return PythonPin(version=version, accepted=f"=={version}")


def _bring(provider: Provider, wish: PythonWish) -> Choice | EnvError | LockfileError:
    """Install the exact Python with one provider; return it, or the error that prevented it."""
    if reason := provider.lacks(wish):
        return NoInterpreterError(reason)
    try:
        choice = require(_exactly(wish.version), provider.provide(wish))
        return replace(choice, interpreter=replace(choice.interpreter, source=provider.name))
    except NoSpaceError:
        raise
    except (EnvError, LockfileError) as error:
        return error


def _another_by_uv(
    wish: PythonWish, failures: dict[str, EnvError | LockfileError]
) -> Choice | None:
    """Install the newest patch version of the tested minor with uv; if that fails, record why."""
    if _uv() is None:
        return None
    minor = wish.version.rpartition(".")[0]
    is_offline = any(isinstance(error, UnreachableError) for error in failures.values())
    # Without a network, asking the servers again and again only keeps the user waiting.
    once = {} if wish.environ.get(_RETRIES) or not is_offline else {_RETRIES: "0"}
    try:
        return require(wish.toolchain.python, _by_uv(wish, minor, once))
    except EnvError as error:
        failures["uv, another patch"] = error
        return None


def _uv_lacks(wish: PythonWish) -> str:
    if wish.version in UV_LACKS:
        return f"it has no {wish.version}"
    return "" if _uv() else "not found"


def _by_uv(
    wish: PythonWish, version: str = "", settings: Mapping[str, str] = MappingProxyType({})
) -> Path:
    program, version = os.fspath(_uv() or "uv"), version or wish.version
    wish.emit(Event(kind="step", text=f"let uv bring Python {version} (about 30 MB)"))
    own = _pass_on(wish.environ, "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR")
    own |= settings
    # Not --quiet, which also keeps to itself why it could not.
    install = [program, "python", "install", "--no-config", "--no-bin", version]
    _judge("uv", run(install, environ=own))
    find = [program, "python", "find", "--no-config", "--system", "--managed-python", version]
    return _read("uv", run(find, environ=own))


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
        # It brings urllib, TLS and email, which nothing else here needs.
        from sdcoreml.envs.processes.reach import why_unreachable

        # Checked first, since the engine to be downloaded next is larger than the Python itself.
        address = f"{channel_url(wish.channel)}{lock.packages[0].path}"
        if reason := why_unreachable(address):
            raise UnreachableError(reason, where=wish.channel, remedy=_OTHER_CHANNEL)
        wish.emit(Event(kind="step", text=f"bring Python {lock.python} from {wish.channel}"))
        aside = wish.root / f"{BUILDING}{final.name}-{os.getpid()}"
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
    own = _pass_on(wish.environ, "PYENV_ROOT")
    _judge("pyenv", run([program, "install", "--skip-existing", wish.version], environ=own))
    return _read("pyenv", run([program, "prefix", wish.version], environ=own)) / "bin" / "python"


def _pyenv(wish: PythonWish) -> str | None:
    return shutil.which("pyenv", path=wish.environ.get("PATH"))


def _pass_on(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the variables in `names` that are set: they tell a provider where its Pythons are."""
    return {name: environ[name] for name in names if environ.get(name)}


def _judge(name: str, done: ProcessResult) -> None:
    if done.code != 0:
        last = (done.err or done.out).strip().rpartition("\n")[2]
        said = quote(last) or f"exit code {done.code}"
        raise NoInterpreterError(f"it could not ({name} said: {said})")


def _read(name: str, done: ProcessResult) -> Path:
    """Read the path that a provider printed."""
    _judge(name, done)
    return Path(done.out.strip())


PROVIDERS = (
    Provider(name="uv", lacks=_uv_lacks, provide=_by_uv),
    Provider(name="conda", lacks=_conda_lacks, provide=_by_conda),
    Provider(name="pyenv", lacks=_pyenv_lacks, provide=_by_pyenv, slow=True),
)

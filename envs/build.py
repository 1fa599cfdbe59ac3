"""Builds an environment from a lock: aside, checked, sealed, and only then put into use.

`envs.steps.STEPS` is the whole of it. Whatever happens in a step, the environment in use stays as
it was.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from envs import store
from envs.errors import BrokenError, EnvError, NoInterpreterError, explained
from envs.events import Emit, Event, silent
from envs.installer import Source, find_installer
from envs.interpreter import Choice, Interpreter, probe, require, ways
from envs.steps import STEPS, Plan
from envs.store import Environment
from envs.verify import verify_fast
from lockfiles.artefact import load_artefacts, tied
from lockfiles.lock import Lock, load_lock
from lockfiles.target import host_target
from lockfiles.toolchain import Toolchain

LAYOUT = "1"
"""Part of each key: raised when this code would make other files from the same lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one build is asked for.

    `python` names the interpreter; `fresh` builds even if there is nothing to do, and `no_cache`
    from packages that are fetched for it alone; `strict` refuses drift; `installer` is "uv", "pip"
    or "" for the better one; `root` is the folder of environments, None for the usual one; `seal`,
    unless "", is the one that must come out.
    """

    python: Path | None = None
    fresh: bool = False
    no_cache: bool = False
    strict: bool = False
    installer: str = ""
    source: Source = field(default_factory=Source)
    root: Path | None = None
    seal: str = ""


def build(
    toolchain: Toolchain, *, options: Options | None = None, emit: Emit = silent
) -> Environment:
    """The environment of a toolchain on this machine, built unless it is there already.

    Raises:
        LockfileError: no lock for this machine.
        NoInterpreterError: no Python that the toolchain accepts.
        InstallError: packages not reachable, not there, or not those that were locked.
        BrokenError: what was installed does not work or is not what the lock says.
        NoSpaceError: the disk is full or would be.
    """
    options = options or Options()
    lock = load_lock(f"{toolchain.folder}/", host_target())
    root = options.root or store.root()
    if (ready := _ready(lock, options, root)) is not None:
        return ready
    with store.alone(root, emit) as held:
        if (ready := _ready(lock, options, root)) is not None:  # built while we waited
            return ready
        choice = require(toolchain.python, options.python)
        _judge_drift(choice, toolchain, options, emit)
        key = key_of(lock, choice.interpreter)
        kept = None if options.fresh or options.no_cache else _kept(toolchain.name, root / key)
        if kept is not None and options.seal in ("", kept.seal):
            store.swap(toolchain.name, kept.path)
            return kept
        folder = root / f".building-{key}-{os.getpid()}"
        plan = _plan(toolchain, lock, options, choice, folder, held)
        with explained(root), _aside(plan.folder, _own_cache(plan.folder)):
            for step in STEPS:
                emit(Event(kind="step", text=step.text.format(n=len(lock.packages))))
                step.run(plan, emit)
            final = store.free_name(root, key)
            plan.folder.rename(final)
            store.swap(toolchain.name, final)
    made = store.read(toolchain.name, final)
    if made is None:
        raise EnvError(f"{final}: was removed while it was being finished; run this again")
    return made


def _plan(
    toolchain: Toolchain, lock: Lock, options: Options, choice: Choice, folder: Path, held: int
) -> Plan:
    artefacts = load_artefacts(toolchain, lock)
    installer = find_installer(options.installer, _own_cache(folder) if options.no_cache else None)
    return Plan(
        toolchain=toolchain,
        lock=lock,
        packages=tied(lock, artefacts) if artefacts else lock.packages,
        artefacts=artefacts,
        choice=choice,
        asked=options.installer,
        installer=installer,
        source=options.source,
        folder=folder,
        held=held,
        wanted=options.seal,
        stock=installer.stock(choice.interpreter.path, lock.path, options.source),
        size=toolchain.size_on(lock.target),
        unpacked=toolchain.wheels_on(lock.target),
    )


def ready(toolchain: Toolchain, options: Options) -> Environment | None:
    """The environment in use when it already is what is asked for: `build` would do nothing."""
    lock = load_lock(f"{toolchain.folder}/", host_target())
    return _ready(lock, options, options.root or store.root())


def key_of(lock: Lock, interpreter: Interpreter) -> str:
    """The name of an environment's folder: 16 hexadecimal digits of what it is made from."""
    facts = (LAYOUT, lock.digest, lock.target, interpreter.version, os.fspath(interpreter.path))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _ready(lock: Lock, options: Options, root: Path) -> Environment | None:
    """The environment in use, when it already is what is asked for."""
    found = store.current(lock.toolchain, root)
    if found is None or options.fresh or options.no_cache or found.lock_digest != lock.digest:
        return None
    if (options.strict and found.drift) or options.seal not in ("", found.seal):
        return None
    if options.python is not None:
        named = probe(options.python)
        if named is None or named.path != found.interpreter.path:
            return None
    return found


def _kept(name: str, folder: Path) -> Environment | None:
    """An environment built earlier from the same things, if it still is what it was."""
    found = store.read(name, folder)
    try:
        return found if found is not None and not verify_fast(found).faults else None
    except BrokenError:
        return None


def _judge_drift(choice: Choice, toolchain: Toolchain, options: Options, emit: Emit) -> None:
    if not choice.drift:
        return
    found, pin = choice.interpreter, toolchain.python
    text = f"drift: Python {found.version} stands in for the tested {pin.version}"
    if options.strict:
        raise NoInterpreterError(f"{found.path}: {text}; {ways(pin)}")
    emit(Event(kind="warning", text=text))


@contextmanager
def _aside(*folders: Path) -> Iterator[None]:
    """Leave nothing of a build that did not get its final name."""
    try:
        yield
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _own_cache(folder: Path) -> Path:
    """Where a build keeps what it fetches for itself alone."""
    return folder.with_name(f"{folder.name}-cache")

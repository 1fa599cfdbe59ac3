"""Builds an environment from a lock: aside, checked, sealed, and only then put into use.

`STEPS` is the whole of it. Whatever happens in a step, the environment in use stays as it was.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from envs import bytecode, inventory, manifest, normalise, smoke, store, venv
from envs.errors import BrokenError, EnvError, NoInterpreterError, NoSpaceError, explained
from envs.events import Emit, Event, silent
from envs.installer import Installer, Source, find_installer
from envs.interpreter import Choice, Interpreter, probe, require, ways
from envs.store import Environment
from envs.verify import verify_fast
from lockfiles.artefact import load_artefacts, tied
from lockfiles.lock import Lock, LockedPackage, load_lock, write_lock
from lockfiles.target import host_target
from lockfiles.toolchain import Toolchain

LAYOUT = "1"
"""Part of each key: raised when this code would make other files from the same lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one build is asked for.

    `python` names the interpreter; `fresh` builds even if there is nothing to do; `strict` refuses
    drift; `installer` is "uv", "pip" or "" for the better one; `root` is the folder of
    environments, None for the usual one; `seal`, unless "", is the one that must come out.
    """

    python: Path | None = None
    fresh: bool = False
    strict: bool = False
    installer: str = ""
    source: Source = field(default_factory=Source)
    root: Path | None = None
    seal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is decided before the first byte is written; `folder` is where the build goes."""

    toolchain: Toolchain
    lock: Lock
    packages: tuple[LockedPackage, ...]
    """Those of the lock, each tied to one wheel where the toolchain says which."""
    download: int
    choice: Choice
    installer: Installer
    source: Source
    folder: Path
    held: int
    wanted: str
    """The seal that must come out, or ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the build: what it says, and what it does."""

    text: str
    run: Callable[[Plan, Emit], None]


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
        kept = None if options.fresh else _kept(toolchain.name, root / key)
        if kept is not None and options.seal in ("", kept.seal):
            store.swap(toolchain.name, kept.path)
            return kept
        artefacts = load_artefacts(toolchain, lock)
        plan = Plan(
            toolchain=toolchain,
            lock=lock,
            packages=tied(lock, artefacts) if artefacts else lock.packages,
            download=sum(artefact.size for artefact in artefacts),
            choice=choice,
            installer=find_installer(options.installer),
            source=options.source,
            folder=root / f".building-{key}-{os.getpid()}",
            held=held,
            wanted=options.seal,
        )
        with explained(root), _aside(plan.folder):
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


def key_of(lock: Lock, interpreter: Interpreter) -> str:
    """The name of an environment's folder: 16 hexadecimal digits of what it is made from."""
    facts = (LAYOUT, lock.digest, lock.target, interpreter.version, os.fspath(interpreter.path))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _ready(lock: Lock, options: Options, root: Path) -> Environment | None:
    """The environment in use, when it already is what is asked for."""
    found = store.current(lock.toolchain, root)
    if found is None or options.fresh or found.lock_digest != lock.digest:
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
def _aside(folder: Path) -> Iterator[None]:
    """Leave nothing of a build that did not get its final name."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _preflight(plan: Plan, emit: Emit) -> None:
    needed = plan.toolchain.factors.environment
    free = shutil.disk_usage(plan.folder.parent).free
    if free < needed:
        raise NoSpaceError(
            f"{plan.folder.parent}: the environment takes {needed:,} bytes and {free:,} are free;"
            f" free {needed - free:,} bytes, or choose another disk with SDCOREML_ENVS"
            " (nothing was downloaded)"
        )
    found = plan.choice.interpreter
    emit(Event(kind="note", text=f"Python {found.version} from {found.source}: {found.path}"))
    if plan.download:
        size = f"{plan.download / 1e9:.2f} GB"
        emit(Event(kind="note", text=f"{size} to download, less what the cache holds"))


def _create(plan: Plan, _emit: Emit) -> None:
    venv.create(plan.folder, plan.choice.interpreter)
    (plan.folder / manifest.SEALED).mkdir()
    lock = plan.folder / manifest.SEALED / store.LOCK
    lock.write_text(write_lock(plan.packages), encoding="utf-8")


def _install(plan: Plan, _emit: Emit) -> None:
    lock = plan.folder / manifest.SEALED / store.LOCK
    plan.installer.install(plan.folder / "bin" / "python", lock, plan.source, keep=(plan.held,))
    normalise.normalise(plan.folder)


def _compile(plan: Plan, _emit: Emit) -> None:
    bytecode.compile_all(plan.folder)


def _compare(plan: Plan, emit: Emit) -> None:
    inventory.compare(plan.folder, plan.lock)
    emit(Event(kind="note", text=f"lock {plan.lock.digest[:16]}, target {plan.lock.target}"))


def _smoke(plan: Plan, _emit: Emit) -> None:
    smoke.import_all(plan.folder / "bin" / "python", plan.toolchain.pins)


def _seal(plan: Plan, emit: Emit) -> None:
    expected = plan.toolchain.factors.environment

    def progress(done: int) -> None:
        emit(Event(kind="progress", done=done, total=expected, unit="bytes"))

    entries = manifest.take(plan.folder, progress)
    manifest.write(entries, plan.folder)
    unsealed = Environment(
        name=plan.toolchain.name,
        path=plan.folder,
        toolchain=plan.toolchain.name,
        target=plan.lock.target,
        lock_digest=plan.lock.digest,
        seal="",
        interpreter=plan.choice.interpreter,
        drift=plan.choice.drift,
        installer=plan.installer.describe(),
        built=datetime.now(timezone.utc),
        files=len(entries),
        size=sum(entry.size for entry in entries),
        defects=inventory.defects(plan.folder, entries),
    )
    seal = manifest.seal_of(entries, unsealed.facts())
    if plan.wanted not in ("", seal):
        raise BrokenError(
            f"{plan.toolchain.name}: the seal is {seal}, wanted is {plan.wanted}; export it again"
            " where it was built (the environment in use is as it was)"
        )
    store.write(replace(unsealed, seal=seal))


STEPS = (
    Step(text="check that there is room", run=_preflight),
    Step(text="make an empty environment", run=_create),
    Step(text="install {n} locked packages", run=_install),
    Step(text="compile bytecode", run=_compile),
    Step(text="compare what is installed with the lock", run=_compare),
    Step(text="import the direct pins", run=_smoke),
    Step(text="hash every file and seal", run=_seal),
)

"""Builds an environment from a lock: in a separate folder, checked, sealed, then put into use.

The steps are listed in `envs.building.steps.STEPS`. If one fails, the environment in use stays
unchanged.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.envs.building.base import CONDA, VENV, Base, VenvBase, name_of
from sdcoreml.envs.building.provision import PythonWish, obtain
from sdcoreml.envs.building.steps import STEPS, BuildPlan
from sdcoreml.envs.conda.engine import Engine, find_engine
from sdcoreml.envs.conda.prefix import CondaBase
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_fast
from sdcoreml.envs.mirrors.mirror import CHANNEL, mirror_of
from sdcoreml.envs.processes.installer import PackageSource, find_installer
from sdcoreml.envs.pythons.interpreter import Choice, install_hints, probe, require
from sdcoreml.ground.errors import BrokenError, EnvError, NoInterpreterError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.leftovers import BUILDING
from sdcoreml.ground.places import environments_folder
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.artefact import load_artefacts, pin_wheels
from sdcoreml.lockfiles.conda import CondaLock, load_conda_lock
from sdcoreml.lockfiles.lock import Lock, load_lock
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import Toolchain

LAYOUT = "2"
"""A part of every key; it is raised when this code makes other files from the same lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The options of a build.

    `backend` is "venv" or "conda". `python` is the interpreter of a venv; without it, `provision`
    finds or installs the exact version. `fresh` builds even if the environment is up to date;
    `no_cache` downloads all packages instead of using the installer's cache. `strict` refuses any
    Python but the tested version. `installer` is "uv", "pip", or "" for either. `root` is the
    folder of environments, None for the default. `seal` is the seal that must result, "" for any.
    `owner` is the toolchain whose links point to the environment, None for the one that is built.
    """

    backend: str = VENV
    python: Path | None = None
    provision: bool = True
    fresh: bool = False
    no_cache: bool = False
    strict: bool = False
    installer: str = ""
    source: PackageSource = field(default_factory=PackageSource)
    root: Path | None = None
    seal: str = ""
    owner: Toolchain | None = None


def build(
    toolchain: Toolchain, *, options: BuildOptions | None = None, emit: Emit = silent
) -> Environment:
    """Build the environment of a toolchain on this machine, or return the one that exists.

    Raises:
        LockfileError: there is no lock for this machine.
        NoInterpreterError: there is no Python that the toolchain accepts.
        InstallError: a package cannot be downloaded, or is not the one that was locked.
        BrokenError: the installed packages do not work, or differ from the lock.
        NoSpaceError: the disk is full or would be.
    """
    options = options or BuildOptions()
    request = _read_options(toolchain, options)
    root = options.root or environments_folder()
    if (found := _reuse(request, options, root)) is not None:
        return found
    with store.hold_lock(root, emit) as lock_fd:
        if (found := _reuse(request, options, root)) is not None:  # built while we waited
            return found
        with translate_store_errors(root):
            base = _base(request, options, (root, lock_fd), emit)
        key = key_of(request.lock, base)
        kept = None if options.fresh or options.no_cache else _revive(request.name, root / key)
        if kept is not None and options.seal in ("", kept.seal):
            _put_into_use(request, kept.path)
            return kept
        final = store.free_name(root.resolve(), key)
        plan = _plan(request, options, base, final, lock_fd)
        with translate_store_errors(root), _aside(plan.folder, _own_cache(plan.folder)):
            for step in STEPS:
                words = {"n": len(plan.packages), "download": plan.text_of_download}
                emit(Event(kind="step", text=step.text.format(**words)))
                step.run(plan, emit)
            plan.folder.rename(final)
            _put_into_use(request, final)
    made = store.read(request.name, final)
    if made is None:
        raise EnvError(
            "was removed by another process during the build", where=final, remedy="run this again"
        )
    return made


def _put_into_use(request: _Request, final: Path) -> None:
    # The owner first: after a kill, no link may be left without one, which nothing would remove.
    if request.owner.mark:
        store.record_owner(request.name, final.parent, request.owner.folder.resolve())
    store.swap(request.name, final)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What to build: the part of the plan that does not depend on this machine."""

    name: str
    owner: Toolchain
    toolchain: Toolchain
    lock: Lock
    conda: CondaLock | None


def _read_options(toolchain: Toolchain, options: BuildOptions) -> _Request:
    target, conda = host_target(), None
    lock = load_lock(f"{toolchain.folder}/", target)
    if options.backend == CONDA:
        if options.python is not None:
            raise EnvError(
                "--python is for a venv; conda brings its own",
                where=options.python,
                remedy="leave one of them out",
            )
        conda = load_conda_lock(toolchain, target)
    owner = options.owner or toolchain
    name = name_of(owner, options.backend)
    return _Request(name=name, owner=owner, toolchain=toolchain, lock=lock, conda=conda)


def _base(request: _Request, options: BuildOptions, place: tuple[Path, int], emit: Emit) -> Base:
    """Choose the base; `place` is the folder of environments and the descriptor of its lock."""
    (root, lock_fd), toolchain = place, request.toolchain
    channel = mirror_of(CHANNEL, options.source.channel).address or toolchain.conda.channel

    def engine() -> Engine:
        return find_engine(root, emit, keep=(lock_fd,), index=options.source.index)

    if request.conda is not None:
        return CondaBase(lock=request.conda, channel=channel, root=root, engine=engine, emit=emit)
    # A variant was chosen because its Python is on this machine.
    brings = options.strict or not toolchain.is_variant
    if options.provision and brings and options.python is None:
        wish = PythonWish(
            toolchain=toolchain,
            root=root,
            channel=channel,
            engine=engine,
            emit=emit,
            environ=os.environ,
        )
        choice = obtain(wish, strict=options.strict)
    else:
        choice = require(toolchain.python, options.python)
    _judge_drift(choice, toolchain, options, emit)
    return VenvBase(chosen=choice)


def _plan(
    request: _Request, options: BuildOptions, base: Base, final: Path, lock_fd: int
) -> BuildPlan:
    toolchain, lock = request.toolchain, request.lock
    folder = final.with_name(f"{BUILDING}{final.name}-{os.getpid()}")
    artefacts = load_artefacts(toolchain, lock)
    installer = find_installer(options.installer, _own_cache(folder) if options.no_cache else None)
    return BuildPlan(
        toolchain=toolchain,
        name=request.name,
        lock=lock,
        packages=pin_wheels(lock, artefacts) if artefacts else lock.packages,
        artefacts=artefacts,
        base=base,
        choice=base.choice(final),
        asked=options.installer,
        installer=installer,
        source=options.source,
        folder=folder,
        final=final,
        lock_fd=lock_fd,
        expected_seal=options.seal,
        cache=installer.inspect_cache(base.answering(), lock.path, options.source),
        size=toolchain.size_on(lock.target) + base.size,
        unpacked=toolchain.wheels_on(lock.target),
    )


def ready(toolchain: Toolchain, options: BuildOptions) -> Environment | None:
    """Return the environment in use if it is up to date, so that `build` has nothing to do."""
    return _reuse(_read_options(toolchain, options), options, options.root or environments_folder())


def key_of(lock: Lock, base: Base) -> str:
    """Return the name of an environment's folder: 16 hexadecimal digits, a digest of its inputs."""
    facts = (LAYOUT, lock.digest, lock.target, *base.identity())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _reuse(request: _Request, options: BuildOptions, root: Path) -> Environment | None:
    """Return the environment in use if it was built from this request."""
    found, lock = store.current(request.name, root), request.lock
    if found is None or options.fresh or options.no_cache or found.lock_digest != lock.digest:
        return None
    if found.is_moved or found.conda != (request.conda.digest if request.conda else ""):
        return None
    if (options.strict and found.drift) or options.seal not in ("", found.seal):
        return None
    if options.python is not None:
        named = probe(options.python)
        if named is None or named.path != found.interpreter.path:
            return None
    return found


def _revive(name: str, folder: Path) -> Environment | None:
    """Return the environment in `folder`, built earlier from the same inputs, if undamaged."""
    found = store.read(name, folder)
    try:
        return found if found is not None and not verify_fast(found).faults else None
    except BrokenError:
        return None


def _judge_drift(choice: Choice, toolchain: Toolchain, options: BuildOptions, emit: Emit) -> None:
    if not choice.drift:
        return
    found, pin = choice.interpreter, toolchain.python
    text = f"drift: Python {found.version} stands in for the tested {pin.version}"
    if options.strict:
        raise NoInterpreterError(f"{text}", where=found.path, remedy=install_hints(pin))
    emit(Event(kind="warning", text=text))


@contextmanager
def _aside(*folders: Path) -> Iterator[None]:
    """Remove the folders of a build at the end, unless they were renamed."""
    try:
        yield
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _own_cache(folder: Path) -> Path:
    """Return the folder for the files that one build downloads for itself alone."""
    return folder.with_name(f"{folder.name}-cache")

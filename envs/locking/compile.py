"""Compiles the locks of a toolchain for every target, on any machine, from the public index.

Settings of pip and uv, local wheels and mirrors of this machine have no influence on a lock.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.locking.conflicts import explain_conflict, find_yanked
from sdcoreml.envs.mirrors.mirror import index_variables
from sdcoreml.envs.processes.installer import Uv, find_installer
from sdcoreml.envs.processes.process import ProcessResult, run
from sdcoreml.ground.aside import update_text
from sdcoreml.ground.errors import EnvError, LockfileError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_leniently, read_text
from sdcoreml.ground.quantity import amount
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.artefact import (
    Artefact,
    load_artefacts,
    pin_wheels,
    read_artefacts,
    write_artefacts,
)
from sdcoreml.lockfiles.derive import closure
from sdcoreml.lockfiles.lock import Lock, load_lock, parse_lock, write_lock
from sdcoreml.lockfiles.target import TARGETS, LockTarget
from sdcoreml.lockfiles.toolchain import Toolchain, load_shipped, lock_command

_ANY_DAY = "2999-12-31"
"""The age limit of a package that is excepted from the limit."""
_HEAD = "# The direct pins of toolchain.toml, for the resolver; written by `sdcoreml env lock`.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    """How to resolve the pins of a toolchain.

    `upgrade` ignores the present lock; `exclude_newer` is the date of the newest packages allowed,
    or "". `wheels` is a folder to resolve from instead of the index (used by tests); `index` is the
    URL of a mirror, "" for the configured index.
    """

    upgrade: bool = False
    exclude_newer: str = ""
    wheels: Path | None = None
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledLocks:
    """The locks of one target, as text: hashed requirements and PEP 751.

    `yanked` says, a sentence each, which of its packages were withdrawn by their maintainers.
    """

    target: str
    requirements: str
    pylock: str
    artefacts: tuple[Artefact, ...]
    yanked: tuple[str, ...] = ()


def requirements_in(toolchain: Toolchain) -> str:
    """Return the resolver's input: the direct pins as requirements."""
    return _HEAD + "".join(f"{name}=={version}\n" for name, version in toolchain.pins.items())


def compile_locks(
    toolchain: Toolchain, request: LockRequest | None = None, emit: Emit = silent
) -> tuple[CompiledLocks, ...]:
    """Resolve a toolchain for each of its targets; nothing is written yet.

    Raises:
        InstallError: the index cannot be reached, or has no wheel for one of the targets.
    """
    if toolchain.base:
        return tuple(_cut_out(toolchain, target, emit) for target in toolchain.targets)
    installer = _find_uv()
    compiled: list[CompiledLocks] = []
    for name in toolchain.targets:
        emit(Event(kind="step", text=f"resolve {toolchain.title} for {name}"))
        compiled.append(_compile(installer, toolchain, TARGETS[name], request or LockRequest()))
        size = sum(artefact.size for artefact in compiled[-1].artefacts)
        count = len(compiled[-1].artefacts)
        emit(Event(kind="note", text=f"{count} packages, {amount(size)} to download"))
        for text in compiled[-1].yanked:
            emit(Event(kind="warning", text=text))
    return tuple(compiled)


def try_pin(
    toolchain: Toolchain, target: str, pin: str, request: LockRequest | None = None
) -> ProcessResult:
    """Resolve a toolchain with one more pin (`name==version`); nothing is kept of the result.

    Where that fails, the output says which requirement refuses the version.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = f"{requirements_in(toolchain)}{pin}\n"
        (folder / "requirements.in").write_text(text, encoding="utf-8")
        words = _command(_find_uv(), toolchain, TARGETS[target], request or LockRequest())
        words += ["--no-annotate", "requirements.in", "--output-file", "requirements.txt"]
        return run(words, cwd=folder, environ=index_variables(request.index if request else ""))


def _find_uv() -> Uv:
    installer = find_installer("uv")
    if not isinstance(installer, Uv):
        raise EnvError(
            "only uv compiles for other machines, and it is not found",
            remedy="run `make bootstrap`",
        )
    return installer


def write_locks(toolchain: Toolchain, compiled: tuple[CompiledLocks, ...]) -> tuple[Path, ...]:
    """Write requirements.in and all locks; return the files that changed."""
    texts = {"requirements.in": requirements_in(toolchain)}
    for one in compiled:
        texts[f"requirements.{one.target}.txt"] = one.requirements
        texts[f"pylock.{one.target}.toml"] = one.pylock
    paths = {toolchain.folder / name: text for name, text in texts.items()}
    return tuple(path for path, text in paths.items() if write_file(path, text))


def find_stale(toolchain: Toolchain, compiled: tuple[CompiledLocks, ...]) -> tuple[str, ...]:
    """Compare a new resolution with the locks in the folder; return the differences as lines."""
    lines: list[str] = []
    for one in compiled:
        fresh = {p.name: p for p in parse_lock(one.requirements, Path(one.target))}
        now = {p.name: p for p in load_lock(f"{toolchain.folder}/", one.target).packages}
        for name in sorted(fresh.keys() | now.keys()):
            if name not in now:
                lines.append(f"{one.target}: {name} {fresh[name].version} is not locked")
            elif name not in fresh:
                lines.append(f"{one.target}: {name} {now[name].version} is no longer needed")
            elif fresh[name].version != now[name].version:
                lines.append(
                    f"{one.target}: {name} resolves to {fresh[name].version},"
                    f" locked is {now[name].version}"
                )
            elif not set(now[name].hashes) <= set(fresh[name].hashes):
                lines.append(f"{one.target}: {name} is locked with a hash that is not on the index")
    return tuple(lines)


def check_folder(toolchain: Toolchain) -> dict[str, tuple[Artefact, ...]]:
    """Check, without a network, that the locks agree with the pins and with each other.

    Returns each target's wheels: one for every locked package, with a locked hash.

    Raises:
        LockfileError: they disagree; lists all faults.
    """
    faults: list[str] = []
    artefacts: dict[str, tuple[Artefact, ...]] = {}
    given = toolchain.folder / "requirements.in"
    said = read_leniently(given, Document.LOCK) if given.exists() else ""
    if said != requirements_in(toolchain):
        faults.append(
            f"{given}: does not repeat the pins of toolchain.toml;"
            f" run {lock_command(toolchain.folder)}"
        )
    for target in toolchain.targets:
        with _collect(faults):
            lock = load_lock(f"{toolchain.folder}/", target)
            _check_pins(toolchain, lock)
            artefacts[target] = load_artefacts(toolchain, lock)
            pin_wheels(lock, artefacts[target])
    if faults:
        raise LockfileError("; ".join(faults))
    return artefacts


@contextmanager
def _collect(faults: list[str]) -> Iterator[None]:
    try:
        yield
    except LockfileError as error:
        faults.append(str(error))


def _check_pins(toolchain: Toolchain, lock: Lock) -> None:
    locked = {package.name: package.version for package in lock.packages}
    wrong = [
        f"{name} is {locked.get(name, 'missing')}, pinned is {version}"
        for name, version in toolchain.pins.items()
        if locked.get(name) != version
    ]
    if wrong:
        raise LockfileError(
            f"{', '.join(wrong)}", where=lock.path, remedy=f"run {lock_command(toolchain.folder)}"
        )


def _cut_out(toolchain: Toolchain, target: str, emit: Emit) -> CompiledLocks:
    """Cut the pinned packages and their dependencies out of the base toolchain's lock."""
    emit(Event(kind="step", text=f"cut {toolchain.name} for {target} out of {toolchain.base}"))
    base = load_shipped(toolchain.base)
    lock = load_lock(f"{base.folder}/", target)
    text = read_text(lock.path, Document.LOCK)
    packages = closure(text, toolchain.pins, lock.path)
    names = {package.name for package in packages}
    artefacts = tuple(one for one in load_artefacts(base, lock) if one.project in names)
    return CompiledLocks(
        target=target,
        requirements=f"# Cut out of {base.name} by `sdcoreml env lock`.\n{write_lock(packages)}",
        pylock=write_artefacts(artefacts, toolchain.python.version),
        artefacts=artefacts,
    )


def _compile(
    uv: Uv, toolchain: Toolchain, target: LockTarget, request: LockRequest
) -> CompiledLocks:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "requirements.in").write_text(requirements_in(toolchain), encoding="utf-8")
        output = folder / "requirements.txt"
        before = toolchain.folder / f"requirements.{target.name}.txt"
        if before.exists() and not request.upgrade:  # uv keeps what it finds there
            output.write_text(read_text(before, Document.LOCK), encoding="utf-8")
        said = _resolve(uv, folder, toolchain, target, request, output)
        pylock = folder / "pylock.toml"
        # The PEP 751 lock must contain the same versions as the requirements.
        (folder / "requirements.in").write_text(output.read_text(encoding="utf-8"), "utf-8")
        _resolve(uv, folder, toolchain, target, request, pylock)
        python = toolchain.python.version
        artefacts = read_artefacts(pylock, target, python)
        return CompiledLocks(
            target=target.name,
            requirements=output.read_text(encoding="utf-8"),
            pylock=write_artefacts(artefacts, python),
            artefacts=artefacts,
            yanked=tuple(find_yanked(said)),
        )


def _resolve(
    uv: Uv,
    folder: Path,
    toolchain: Toolchain,
    target: LockTarget,
    request: LockRequest,
    output: Path,
) -> str:
    """Compile the requirements in `folder` to `output`; return what uv said on the way."""
    command = _command(uv, toolchain, target, request)
    command += ["requirements.in", "--output-file", output.name]
    done = run(command, cwd=folder, environ=index_variables(request.index))
    if done.code != 0:
        raise explain_conflict(done, toolchain.pins, target.name, toolchain.python.version)
    return done.err


def _command(uv: Uv, toolchain: Toolchain, target: LockTarget, request: LockRequest) -> list[str]:
    """Return the command that compiles for a target, without the files."""
    # Not --quiet: uv would not say which versions are yanked.
    command = [os.fspath(uv.program), "pip", "compile", "--no-progress", "--no-config"]
    command += ["--generate-hashes", "--only-binary", ":all:"]
    # Naming a Python keeps uv from searching the machine for one of that version.
    command += ["--python", sys.executable, "--python-version", toolchain.python.version]
    command += ["--python-platform", target.uv_platform]
    command += ["--custom-compile-command", "sdcoreml env lock"]
    if request.upgrade:
        command += ["--upgrade"]
    if newest := request.exclude_newer or toolchain.exclude_newer:
        command += ["--exclude-newer", newest]
        for name in toolchain.exceptions:
            command += ["--exclude-newer-package", f"{name}={_ANY_DAY}"]
    if request.wheels is not None:
        command += ["--no-index", "--find-links", os.fspath(request.wheels.absolute())]
    return command


def write_file(path: Path, text: str) -> bool:
    """Write a file atomically; return False if it has that content already."""
    with translate_store_errors(path):
        return update_text(path, text)

"""Locks the conda packages of a toolchain's Python, for every target, on any machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.conda.engine import Engine
from sdcoreml.envs.locking.compile import write_file
from sdcoreml.ground.errors import LockfileError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_leniently
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.conda import (
    FROM_CHANNEL,
    CondaLock,
    conda_lock_path,
    load_conda_lock,
    write_conda_lock,
)
from sdcoreml.lockfiles.conda_files import conda_files
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import Toolchain, command_about


def solve_python(
    toolchain: Toolchain, engine: Engine, channel: str, *, newest: str = "", emit: Emit = silent
) -> tuple[CondaLock, ...]:
    """Resolve the exact Python and its dependencies on a channel; writes nothing yet.

    `newest` is the date of the newest packages allowed, or "". A toolchain with `base` uses its
    base's Python, so there is nothing to resolve.

    Raises:
        UnreachableError: the channel cannot be reached.
        InstallError: the channel has no such Python for one of the targets.
    """
    if toolchain.base:
        return ()
    locks: list[CondaLock] = []
    version = toolchain.python.version
    for name in toolchain.targets:
        emit(Event(kind="step", text=f"ask {channel} for Python {version} on {name}"))
        solved = engine.solve(channel, [f"python =={version}"], TARGETS[name], newest)
        # A channel's URL may contain a password or a local path; its name contains neither.
        known = FROM_CHANNEL + (channel if "://" not in channel else "a channel given by address")
        packages = tuple(replace(package, known=known) for package in solved)
        size = amount(sum(package.size for package in packages))
        emit(Event(kind="note", text=f"{len(packages)} packages, {size} to download"))
        locks.append(CondaLock(target=name, python=version, packages=packages))
    return tuple(locks)


def write_conda_locks(toolchain: Toolchain, locks: tuple[CondaLock, ...]) -> tuple[Path, ...]:
    """Write the conda locks; return the files that changed."""
    texts = {conda_lock_path(toolchain, lock.target): write_conda_lock(lock) for lock in locks}
    return tuple(path for path, text in texts.items() if write_file(path, text))


def write_conda_files(toolchain: Toolchain) -> tuple[Path, ...]:
    """Write the environment files and explicit locks for conda; return the files that changed."""
    texts = conda_files(toolchain)
    return tuple(
        toolchain.folder / name
        for name, text in texts.items()
        if write_file(toolchain.folder / name, text)
    )


def find_stale_conda(toolchain: Toolchain, locks: tuple[CondaLock, ...]) -> tuple[str, ...]:
    """Return the differences between a channel and the conda locks in the folder, one line each."""
    lines: list[str] = []
    for lock in locks:
        now = {one.name: one for one in load_conda_lock(toolchain, lock.target).packages}
        new = {one.name: one for one in lock.packages}
        for name in sorted(new.keys() | now.keys()):
            if name not in now:
                lines.append(f"{lock.target}: conda's {new[name].file} is not locked")
            elif name not in new:
                lines.append(f"{lock.target}: conda's {name} is no longer needed")
            elif new[name].sha256 != now[name].sha256:
                lines.append(
                    f"{lock.target}: conda's {name} resolves to {new[name].file},"
                    f" locked is {now[name].file}"
                )
    return tuple(lines)


def check_conda(toolchain: Toolchain) -> None:
    """Check, without a network, that the conda locks are valid and the generated files current.

    Raises:
        LockfileError: they are not; lists all faults.
    """
    faults: list[str] = []
    for target in toolchain.targets:
        if conda_lock_path(toolchain, target).exists():
            try:
                load_conda_lock(toolchain, target)
            except LockfileError as error:
                faults.append(str(error))
    texts = {} if faults else conda_files(toolchain)
    for name, text in texts.items():
        path = toolchain.folder / name
        if not path.exists() or read_leniently(path, Document.LOCK) != text:
            again = command_about(toolchain.folder, "env", "conda-files")
            faults.append(f"{path}: is not what the toolchain says; run {again}")
    if faults:
        raise LockfileError("; ".join(faults))

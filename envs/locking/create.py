"""Makes a toolchain of a user's own beside what uses it: resolved, explained, written aside."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.envs.locking.changes import (
    PackageChange,
    Versions,
    compare_versions,
    explain_changes,
)
from sdcoreml.envs.locking.compile import (
    CompiledLocks,
    LockRequest,
    check_folder,
    compile_locks,
    try_pin,
    write_locks,
)
from sdcoreml.envs.locking.conda_locking import write_conda_files
from sdcoreml.envs.locking.conflicts import why_refused
from sdcoreml.envs.locking.opinion import Opinion, Resolver, second_opinion
from sdcoreml.ground.aside import flush_folder, flush_tree, scratch_beside, write_text
from sdcoreml.ground.errors import (
    BadInputError,
    InstallError,
    NoOpinionError,
    SdcoremlError,
    UnreachableError,
)
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.refusals import translate_os_errors
from sdcoreml.lockfiles.artefact import Artefact, load_artefacts
from sdcoreml.lockfiles.conda import conda_lock_path
from sdcoreml.lockfiles.derive import dependents
from sdcoreml.lockfiles.lock import load_lock, parse_lock
from sdcoreml.lockfiles.own_file import write_toolchain
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import FILE, Toolchain, lock_command

_ROUND = 10_000_000
"""Estimates of sizes are multiples of this, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A new toolchain, what it has otherwise than its parent, and a second resolver's opinion.

    `silence` says why there is no opinion, "" if there is one.
    """

    toolchain: Toolchain
    changes: tuple[PackageChange, ...]
    opinion: Opinion | None
    silence: str = ""


def create(
    toolchain: Toolchain,
    parent: Toolchain,
    ask: Callable[[Toolchain], Resolver],
    *,
    request: LockRequest | None = None,
    emit: Emit = silent,
) -> Created:
    """Resolve an amended toolchain for its targets, and write it to its folder, all or nothing.

    What the parent has locked stays, unless the new pins do not admit it. `ask` returns the second
    resolver, or raises `NoOpinionError`.

    Raises:
        BadInputError: the folder exists.
        InstallError: the pins fit no resolution, a package has no wheel for one of the targets or
            was withdrawn, or the index cannot be reached; nothing was written.
        NoSpaceError: the disk filled up.
    """
    request = request or LockRequest()
    final = toolchain.folder
    if final.exists():
        raise _exists(final)
    with _written_aside(final) as part:
        made = replace(toolchain, folder=part)
        _seed(made, parent)
        compiled = compile_locks(made, request, emit)
        if yanked := [text for one in compiled for text in one.yanked]:
            raise InstallError(yanked[0], remedy="set another version of it with --set")
        installed, unpacked = _sizes(parent, compiled)
        made = replace(
            made,
            installed=installed,
            unpacked=unpacked,
            refused=dict(_refused(made, parent, request, emit)),
        )
        changes = _changes(made, parent, compiled, request, emit)
        write_text(part / FILE, write_toolchain(made, map(str, changes)))
        write_locks(made, compiled)
        write_conda_files(made)
        check_folder(made)
        opinion, silence = _opinion(made, ask, request, emit)
    return Created(
        toolchain=replace(made, folder=final), changes=changes, opinion=opinion, silence=silence
    )


@contextmanager
def _written_aside(final: Path) -> Iterator[Path]:
    """Yield a folder that is renamed to `final`, which must still be free then."""
    with translate_os_errors(final), scratch_beside(final) as part:
        try:
            yield part
        except SdcoremlError as error:
            error.move(part, final)
            raise
        part.chmod(part.parent.stat().st_mode & 0o777)
        flush_tree(part)
        try:
            part.rename(final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise _exists(final) from error
        flush_folder(final.parent)


def _exists(folder: Path) -> SdcoremlError:
    return BadInputError(
        "exists already",
        where=folder,
        remedy=f"choose another name, or edit its toolchain.toml and run {lock_command(folder)}",
    )


def _seed(made: Toolchain, parent: Toolchain) -> None:
    """Begin with the parent's locks: the resolver keeps what it finds, where the pins allow it.

    The conda packages of a Python depend on nothing else, so they are the same.
    """
    for target in made.targets:
        if target in parent.targets:
            text = read_text(load_lock(f"{parent.folder}/", target).path, Document.LOCK)
            write_text(made.folder / f"requirements.{target}.txt", text)
        conda = conda_lock_path(parent, target)
        if made.python == parent.python and conda.is_file():
            write_text(made.folder / conda.name, read_text(conda, Document.LOCK))


def _refused(
    made: Toolchain, parent: Toolchain, request: LockRequest, emit: Emit
) -> Iterator[tuple[str, str]]:
    """Yield the targets that it is not for, with the reason; of those left out, the resolver's."""
    for target, reason in made.refused.items():
        if target not in parent.targets:
            yield target, reason
            continue
        emit(Event(kind="step", text=f"ask what {target} lacks, which was left out"))
        try:
            compile_locks(replace(made, targets=(target,)), request)
        except UnreachableError:
            raise
        except InstallError as error:
            yield target, error.what
        else:
            yield target, reason


def _changes(
    made: Toolchain,
    parent: Toolchain,
    compiled: tuple[CompiledLocks, ...],
    request: LockRequest,
    emit: Emit,
) -> tuple[PackageChange, ...]:
    emit(Event(kind="step", text=f"explain what differs from {parent.title}"))
    after = {one.target: _versions_in(one.requirements) for one in compiled}
    found = compare_versions(locked_versions(parent), after)
    askers = {
        one.target: {
            name: tuple(who for who in via if not who.startswith("-r "))
            for name, via in dependents(one.requirements).items()
        }
        for one in compiled
    }

    def resolve(target: str, name: str, version: str) -> str:
        done = try_pin(made, target, f"{name}=={version}", request)
        pins = {**made.pins, name: version}
        return why_refused(done, name, pins, target, made.python.version)

    return tuple(explain_changes(found, made, parent, askers, resolve))


def locked_versions(toolchain: Toolchain) -> Versions:
    """Map each target of a toolchain to the versions of its locked packages."""
    return {
        target: {
            one.name: one.version for one in load_lock(f"{toolchain.folder}/", target).packages
        }
        for target in toolchain.targets
    }


def _versions_in(text: str) -> Mapping[str, str]:
    return {package.name: package.version for package in parse_lock(text, Path(FILE))}


def _sizes(
    parent: Toolchain, compiled: tuple[CompiledLocks, ...]
) -> tuple[Mapping[str, float], ...]:
    """Estimate the sizes on disk: the parent's, in proportion to what is downloaded."""
    shares: dict[str, float] = {}
    for one in compiled:
        if one.target in parent.targets:
            lock = load_lock(f"{parent.folder}/", one.target)
            before = _download(load_artefacts(parent, lock))
            shares[one.target] = _download(one.artefacts) / before if before else 1.0
    return tuple(
        {
            target: _ROUND * -(-int(size * shares[target]) // _ROUND)
            for target, size in sizes.items()
            if target in shares
        }
        for sizes in (parent.installed, parent.unpacked)
    )


def _download(artefacts: tuple[Artefact, ...]) -> int:
    return sum(one.size for one in artefacts)


def _opinion(
    made: Toolchain, ask: Callable[[Toolchain], Resolver], request: LockRequest, emit: Emit
) -> tuple[Opinion | None, str]:
    """Ask the second resolver; return its opinion, or None and why it has none."""
    target = host_target()
    if target not in made.targets:
        return None, f"it would be for {target}, where {made.name} is not"
    try:
        tool = ask(made)
        emit(Event(kind="step", text=f"ask {tool.describe()} about {made.name} for {target}"))
        opinion = second_opinion(made, tool, request)
    except NoOpinionError as error:
        return None, str(error)
    if opinion.differences:
        raise InstallError(
            f"{opinion.by} resolves it otherwise: {'; '.join(opinion.differences)}",
            where=target,
            remedy="pin these with --set",
        )
    return opinion, ""

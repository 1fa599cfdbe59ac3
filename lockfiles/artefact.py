"""Selects the wheel of each locked package for a target: its file name, hash and size.

`pylock.<target>.toml` (PEP 751) lists them. It gives each wheel's path, `wheels/<file>` beside the
lock, and no URL: any index may serve the wheels, and an exported folder needs no index at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.lock import Lock, LockedPackage
from sdcoreml.lockfiles.table import read_table
from sdcoreml.lockfiles.target import TARGETS, LockTarget
from sdcoreml.lockfiles.toolchain import Toolchain, lock_command

if TYPE_CHECKING:
    from packaging.markers import Environment
    from packaging.tags import Tag

MACOS = (13, 0)
"""The oldest macOS for which the locks are compiled; uv's macOS platforms have the same one."""
GLIBC = 28
"""The highest x of `manylinux_2_x` that a wheel may require."""
_OLD_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A wheel: project (normalised), version, file name, SHA-256 in hexadecimal, size in bytes."""

    project: str
    version: str
    file: str
    sha256: str
    size: int


def load_artefacts(toolchain: Toolchain, lock: Lock) -> tuple[Artefact, ...]:
    """Return the wheels for a lock's target; empty if the toolchain has no PEP 751 lock."""
    path = toolchain.folder / f"pylock.{lock.target}.toml"
    if not path.exists() or lock.target not in TARGETS:
        return ()
    return read_artefacts(path, TARGETS[lock.target], toolchain.python.version)


def read_artefacts(path: Path, target: LockTarget, python: str) -> tuple[Artefact, ...]:
    """Read a PEP 751 lock and select each package's wheel for a target and Python version.

    Works for any target on any machine. An entry may give its wheel's location as URL or path.

    Raises:
        LockfileError: the lock is missing, or one of its packages has no wheel for that target.
    """
    from packaging.pylock import PackageWheel, Pylock, PylockSelectError, PylockValidationError

    table = read_table(path)
    try:
        lock = Pylock.from_dict(table.values)
        chosen = list(
            lock.select(environment=environment(target, python), tags=list(tags(target, python)))
        )
    except (PylockSelectError, PylockValidationError) as error:
        remedy = f"run {lock_command(path.parent)}"
        raise LockfileError(f"{error}", where=path, remedy=remedy) from None
    found: list[Artefact] = []
    for package, wheel in chosen:
        if not isinstance(wheel, PackageWheel):
            raise LockfileError(
                f"{package.name} {package.version} has no wheel for {target.name}", where=path
            )
        place = wheel.name or wheel.path or wheel.url or ""
        found.append(
            Artefact(
                project=package.name,
                version=str(package.version),
                file=place.rpartition("/")[2],
                sha256=wheel.hashes.get("sha256", ""),
                size=wheel.size or 0,
            )
        )
    return tuple(sorted(found, key=lambda artefact: artefact.project))


def write_artefacts(artefacts: Iterable[Artefact], python: str) -> str:
    """Return the text of a PEP 751 lock that contains exactly these wheels."""
    lines = [
        "# Written by `sdcoreml env lock`: the wheel of each package that this target gets.",
        'lock-version = "1.0"',
        'created-by = "sdcoreml"',
        f'requires-python = ">={python.rpartition(".")[0]}"',
    ]
    for artefact in sorted(artefacts, key=lambda artefact: artefact.project):
        lines += [
            "",
            "[[packages]]",
            f'name = "{artefact.project}"',
            f'version = "{artefact.version}"',
            "",
            "[[packages.wheels]]",
            f'path = "wheels/{artefact.file}"',
            f"size = {artefact.size}",
            f'hashes = {{ sha256 = "{artefact.sha256}" }}',
        ]
    return "\n".join(lines) + "\n"


def pin_wheels(lock: Lock, artefacts: Iterable[Artefact]) -> tuple[LockedPackage, ...]:
    """Return the packages of a lock, each with only the hash of its selected wheel.

    Raises:
        LockfileError: the requirements and the PEP 751 lock differ; lists all differences.
    """
    wheels = {artefact.project: artefact for artefact in artefacts}
    faults: list[str] = []
    packages: list[LockedPackage] = []
    for package in lock.packages:
        wheel = wheels.pop(package.name, None)
        if wheel is None:
            faults.append(f"{package.name} has no wheel")
        elif wheel.version != package.version:
            faults.append(f"{package.name} is {wheel.version}, locked is {package.version}")
        elif f"sha256:{wheel.sha256}" not in package.hashes:
            faults.append(f"{wheel.file} has none of the locked hashes")
        else:
            packages.append(replace(package, hashes=(f"sha256:{wheel.sha256}",)))
    faults += [f"{name} is not locked" for name in wheels]
    if faults:
        name = f"pylock.{lock.target}.toml"
        raise LockfileError(
            f"disagrees with {name}: {'; '.join(faults)}",
            where=lock.path,
            remedy=f"run {lock_command(lock.path.parent)}",
        )
    return tuple(packages)


def tags(target: LockTarget, python: str) -> Iterator[Tag]:
    """Yield the wheel tags that CPython of that version accepts on the target, the best first."""
    from packaging.tags import compatible_tags, cpython_tags, mac_platforms

    version = tuple(int(part) for part in python.split(".")[:2])
    platforms = (
        list(mac_platforms(MACOS, target.machine))
        if target.system == "darwin"
        else list(_linux_platforms(target.machine))
    )
    yield from cpython_tags(version, platforms=platforms)
    yield from compatible_tags(version, f"cp{version[0]}{version[1]}", platforms)


def environment(target: LockTarget, python: str) -> Environment:
    """Return the values of the environment markers on that target."""
    values: Mapping[str, object] = {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Darwin" if target.system == "darwin" else "Linux",
        "platform_version": "",
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": target.system,
    }
    return cast("Environment", values)


def _linux_platforms(machine: str) -> Iterator[str]:
    for minor in range(GLIBC, 4, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _OLD_MANYLINUX:
            yield f"{_OLD_MANYLINUX[minor]}_{machine}"
    yield f"linux_{machine}"

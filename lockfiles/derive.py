"""A lock that is a part of another: some packages and all they need, at the very same files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.change import dependents
from sdcoreml.lockfiles.lock import LockedPackage, parse_lock


def closure(text: str, roots: Iterable[str], path: Path) -> tuple[LockedPackage, ...]:
    """The packages of a lock that `roots` need, themselves included.

    Who needs whom stands in the comments that the resolver wrote.

    Raises:
        LockfileError: a root is not in the lock.
    """
    packages = parse_lock(text, path)
    wanted = set(roots)
    if missing := wanted - {package.name for package in packages}:
        raise LockfileError(f"{', '.join(sorted(missing))} not locked in it", where=path)
    askers = dependents(text)
    while more := {name for name, via in askers.items() if wanted & set(via)} - wanted:
        wanted |= more
    return tuple(package for package in packages if package.name in wanted)

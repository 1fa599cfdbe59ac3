"""Cuts a smaller lock out of another: some packages and their dependencies, with their hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sdcoreml.ground.errors import LockfileError
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.lock import LockedPackage, parse_lock

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*==")
_VIA = re.compile(r"\s*#\s*(?:via\s*)?(.*)")


def closure(text: str, roots: Iterable[str], path: Path) -> tuple[LockedPackage, ...]:
    """Return `roots` and all their dependencies from a lock.

    Dependencies are read from the `# via` comments that the resolver wrote.

    Raises:
        LockfileError: a root is not in the lock.
    """
    packages = parse_lock(text, path)
    wanted = set(roots)
    if missing := wanted - {package.name for package in packages}:
        raise LockfileError(f"does not lock {', '.join(sorted(missing))}", where=path)
    askers = dependents(text)
    while more := {name for name, via in askers.items() if wanted & set(via)} - wanted:
        wanted |= more
    return tuple(package for package in packages if package.name in wanted)


def dependents(text: str) -> dict[str, list[str]]:
    """Map each package to those that depend on it, from the `# via` comments of the resolver."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if (entry := _NAMED.match(line)) is not None:
            name = normalise(entry[1])
        elif name and (comment := _VIA.fullmatch(line)) is not None and comment[1]:
            found.setdefault(name, []).append(comment[1])
    return found

"""Reads and writes compiled locks: every package of a toolchain on a target, with its hashes.

The format is that of `uv pip compile --generate-hashes` and `pip-compile --generate-hashes`, which
`pip install --require-hashes` reads.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.errors import BadInputError, LockfileError
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.toolchain import load_toolchain, lock_command

_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*(?P<version>[A-Za-z0-9.!+_-]+)"
    r"(?:\s*;\s*(?P<marker>.+))?"
)
_HASH = re.compile(r"\s--hash=(\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A locked package: normalised name (PEP 503), version, `sha256:` hashes, marker or ""."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All packages of one toolchain on one target, sorted by name.

    `digest` is the SHA-256 of the lock's content; comments, order and layout do not change it.
    """

    toolchain: str
    target: str
    path: Path
    digest: str
    packages: tuple[LockedPackage, ...]


def load_lock(toolchain: str, target: str) -> Lock:
    """Read the lock of a toolchain (a name, or the path of its folder) for one target.

    Raises:
        LockfileError: the toolchain is not for that target, or its lock is missing or damaged.
    """
    loaded = load_toolchain(toolchain)
    loaded.require_target(target)
    path = loaded.folder / f"requirements.{target}.txt"
    remedy = f"restore it, or run {lock_command(path.parent)}"
    try:
        text = read_text(path, Document.LOCK, remedy=remedy)
    except BadInputError as error:
        raise LockfileError(error.what, where=path, remedy=error.remedy) from None
    packages = parse_lock(text, path)
    return Lock(
        toolchain=loaded.name,
        target=target,
        path=path,
        digest=lock_digest(packages),
        packages=packages,
    )


def parse_lock(text: str, path: Path) -> tuple[LockedPackage, ...]:
    """Parse requirements with hashes; raise a `LockfileError` that lists every faulty line."""
    faults: list[str] = []
    packages: list[LockedPackage] = []
    for number, line in _logical_lines(text):
        hashes = tuple(sorted(_HASH.findall(line)))
        entry = _ENTRY.fullmatch(_HASH.sub("", line).strip())
        if entry is None:
            faults.append(f"line {number}: not name==version with hashes: {line[:60]!r}")
        elif not hashes or not all(map(_SHA256.fullmatch, hashes)):
            faults.append(f"line {number}: {entry['name']} has no hash or one that is not SHA-256")
        else:
            name = normalise(entry["name"])
            marker = (entry["marker"] or "").strip()
            packages.append(
                LockedPackage(name=name, version=entry["version"], hashes=hashes, marker=marker)
            )
    counts = Counter((package.name, package.marker) for package in packages)
    faults += [f"{name} is locked {n} times" for (name, _), n in counts.items() if n > 1]
    if not packages and not faults:
        faults.append("nothing is locked in it")
    if faults:
        remedy = f"restore it, or run {lock_command(path.parent)}"
        raise LockfileError("; ".join(faults), where=path, remedy=remedy)
    return tuple(sorted(packages, key=lambda package: (package.name, package.marker)))


def write_lock(packages: tuple[LockedPackage, ...]) -> str:
    """Return the packages as requirements with hashes, which installers and `parse_lock` read."""
    return "".join(f"{_entry(package)}\n" for package in packages)


def lock_digest(packages: tuple[LockedPackage, ...]) -> str:
    """Return the SHA-256 of a lock's content in hexadecimal, whatever its order and layout."""
    return hashlib.sha256(write_lock(packages).encode()).hexdigest()


def _entry(package: LockedPackage) -> str:
    marker = f" ; {package.marker}" if package.marker else ""
    hashes = "".join(f" \\\n    --hash={digest}" for digest in package.hashes)
    return f"{package.name}=={package.version}{marker}{hashes}"


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number, without comments; joins lines that end in a backslash."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        first = first if joined else number
        if stripped.endswith("\\"):
            joined += stripped[:-1] + " "
            continue
        if (joined + stripped).strip():
            yield first, (joined + stripped).strip()
        joined = ""
    if joined.strip():
        yield first, joined.strip()

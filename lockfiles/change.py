"""What moved between two locks, why, and what it does to the download."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.artefact import Artefact
from sdcoreml.lockfiles.lock import parse_lock

PINNED = "-r requirements.in"
"""How a resolver names the direct pins among those who ask for a package."""
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*==")
_VIA = re.compile(r"\s*#\s*(?:via\s*)?(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockChange:
    """One package that moved: versions before and after ("" where it was not or is no more).

    `via` are the packages that ask for it, and `PINNED` for a direct pin; `size` is the change of
    the download in bytes.
    """

    project: str
    before: str
    after: str
    via: tuple[str, ...]
    size: int

    def __str__(self) -> str:
        """Such as `numpy 1.23.5 -> 1.24.0 (+0.12 MB), pinned, asked for by scipy, torch`."""
        match self.before, self.after:
            case "", after:
                what = f"{self.project} {after} is new"
            case before, "":
                what = f"{self.project} {before} is gone"
            case before, after if before == after:
                what = f"{self.project} {before}: other files"
            case before, after:
                what = f"{self.project} {before} -> {after}"
        size = f" ({self.size / 1e6:+.2f} MB)" if self.size else ""
        others = [name for name in self.via if name != PINNED]
        pinned = ", pinned in toolchain.toml" if PINNED in self.via else ""
        why = f", asked for by {', '.join(others)}" if others else ""
        return what + size + pinned + why


def compare_locks(
    before: str, after: str, old: Iterable[Artefact] = (), new: Iterable[Artefact] = ()
) -> tuple[LockChange, ...]:
    """Compare two hashed requirements texts; `old` and `new` are their wheels, for the sizes.

    Raises:
        LockfileError: one of the texts is no lock.
    """
    first = {package.name: package for package in parse_lock(before, Path("before"))}
    second = {package.name: package for package in parse_lock(after, Path("after"))}
    why = dependents(after) | {k: v for k, v in dependents(before).items() if k not in second}
    sizes_before, sizes_after = _sizes(old), _sizes(new)
    return tuple(
        LockChange(
            project=name,
            before=first[name].version if name in first else "",
            after=second[name].version if name in second else "",
            via=why.get(name, ()),
            size=sizes_after.get(name, 0) - sizes_before.get(name, 0),
        )
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    )


def dependents(text: str) -> dict[str, tuple[str, ...]]:
    """Who asks for each package, after the comments that uv and pip-compile write."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if (entry := _NAMED.match(line)) is not None:
            name = normalise(entry[1])
        elif name and (comment := _VIA.fullmatch(line)) is not None and comment[1]:
            found.setdefault(name, []).append(comment[1])
    return {name: tuple(via) for name, via in found.items()}


def _sizes(artefacts: Iterable[Artefact]) -> Mapping[str, int]:
    return {artefact.project: artefact.size for artefact in artefacts}

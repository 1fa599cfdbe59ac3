"""Explains, package by package, what a toolchain locks otherwise than the one it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from sdcoreml.lockfiles.toolchain import Toolchain

Versions = Mapping[str, Mapping[str, str]]
"""Maps each target to the versions of its packages."""
Askers = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Maps each target to its packages, and these to the packages that need them."""
Try = Callable[[str, str, str], str]
"""Resolves for a target with one more pin (name, version); returns why that fails, or ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A package that two toolchains lock differently: "" as a version means not at all.

    `targets` are those on which it is so; empty for all that the two have in common.
    """

    name: str
    before: str
    after: str
    targets: tuple[str, ...] = ()
    why: str = ""

    @property
    def what(self) -> str:
        """The change in words, without the package's name."""
        on = f" on {', '.join(self.targets)}" if self.targets else ""
        if not self.before:
            return f"{self.after}, new{on}"
        return (f"{self.before} -> {self.after}" if self.after else f"{self.before}, gone") + on

    def __str__(self) -> str:
        return f"{self.name} {self.what}" + (f": {self.why}" if self.why else "")


def compare_versions(before: Versions, after: Versions) -> tuple[PackageChange, ...]:
    """Return the changes on the targets that both have, sorted by name."""
    targets = tuple(target for target in before if target in after)
    found: dict[tuple[str, str, str], list[str]] = {}
    for target in targets:
        old, new = before[target], after[target]
        for name in old.keys() | new.keys():
            versions = old.get(name, ""), new.get(name, "")
            if versions[0] != versions[1]:
                found.setdefault((name, *versions), []).append(target)
    return tuple(
        PackageChange(
            name=name,
            before=old,
            after=new,
            targets=() if len(on) == len(targets) else tuple(on),
        )
        for (name, old, new), on in sorted(found.items())
    )


def explain_changes(
    changes: tuple[PackageChange, ...],
    toolchain: Toolchain,
    parent: Toolchain,
    askers: Askers,
    resolve: Try,
) -> Iterator[PackageChange]:
    """Yield the changes with the reason for each: it was set, or what else needs it so."""
    for change in changes:
        target = next(iter(change.targets or askers))
        why = _why(change, toolchain, parent, askers[target].get(change.name, ()))
        if not why:
            why = resolve(target, change.name, change.before)
        yield replace(change, why=why or "chosen by the resolver")


def _why(
    change: PackageChange, toolchain: Toolchain, parent: Toolchain, needed_by: tuple[str, ...]
) -> str:
    """Return why a package changed, as far as the pins and the locks say; else ""."""
    if change.name in toolchain.pins:
        return "set"
    if not change.after:
        gone = "nothing else needs it"
        return f"its pin was dropped, and {gone}" if change.name in parent.pins else gone
    if not change.before:
        return (
            f"{', '.join(needed_by)} needs it"
            if len(needed_by) == 1
            else (f"{', '.join(needed_by)} need it" if needed_by else "")
        )
    return ""

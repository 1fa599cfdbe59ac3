"""Derives a toolchain of a user's own from another: pins set and dropped, a Python, targets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.ground.errors import UsageError
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import (
    Conda,
    PythonPin,
    Toolchain,
    shipped_names,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
LEFT_OUT = "it was left out when the toolchain was made"
"""The reason against a target for which the resolver knows none."""
_RESERVED = frozenset({"data", "host"})
"""Folders beside the shipped toolchains that are none."""
_PREFIXES = ("python", "engine-", "dask-", "upstream-", "packages")
"""How folders begin that are beside the links to environments, and those of variants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What a new toolchain has otherwise than the one it is made from.

    `pins` are set, `dropped` removed. `python` is None for the same Python, `targets` empty for the
    same targets. `exclude_newer` and `exceptions` are as in `Toolchain`.
    """

    pins: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    python: PythonPin | None = None
    targets: tuple[str, ...] = ()
    exclude_newer: str = ""
    exceptions: Mapping[str, str] = field(default_factory=dict)


def require_free(name: str) -> None:
    """Raise `UsageError` unless a toolchain of a user's own may have this name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "a toolchain's name has lower case letters, digits, - and _, and 40 of them at most",
            where=repr(name),
            remedy="choose another name",
        )
    if name in shipped_names() | _RESERVED or name.startswith(_PREFIXES):
        raise UsageError("is sdcoreml's own name", where=name, remedy="choose another name")


def amend(parent: Toolchain, name: str, folder: Path, change: Amendment) -> Toolchain:
    """Return the toolchain `name`, in `folder`: the parent with a change.

    Raises:
        UsageError: the name is not free, or the change does not fit the parent.
    """
    require_free(name)
    _require_fitting(parent, change)
    pins = {one: version for one, version in parent.pins.items() if one not in change.dropped}
    targets = tuple(one for one in TARGETS if one in (change.targets or parent.targets))
    left_out = {one: LEFT_OUT for one in parent.targets if one not in targets}
    refused = {one: why for one, why in parent.refused.items() if one not in targets}
    return replace(
        parent,
        name=name,
        folder=folder,
        description="",
        base="",
        parent=parent.name,
        python=change.python or parent.python,
        pins=dict(sorted({**pins, **change.pins}.items())),
        conda=Conda(name=f"{name}-conda", channel=parent.conda.channel),
        targets=targets,
        refused={**left_out, **refused},
        exclude_newer=change.exclude_newer or parent.exclude_newer,
        exceptions={**parent.exceptions, **change.exceptions},
    )


def _require_fitting(parent: Toolchain, change: Amendment) -> None:
    pinned = ", ".join(parent.pins)
    for name in change.dropped:
        if name not in parent.pins:
            raise UsageError(
                f"{name} is not pinned in {parent.name}",
                where="--drop",
                remedy=f"there are {pinned}",
            )
        if name in change.pins:
            raise UsageError(
                f"{name} is set, and dropped", where="--drop", remedy="leave one of them out"
            )
    for name in change.targets:
        if name not in TARGETS:
            why = parent.refused.get(name, "nobody makes locks for it")
            raise UsageError(
                f"{name}: {why}", where="--target", remedy=f"there are {', '.join(TARGETS)}"
            )
    if change.exceptions and not (change.exclude_newer or parent.exclude_newer):
        raise UsageError(
            "nothing is excluded that it could be an exception of",
            where="--except",
            remedy="give --exclude-newer DATE, too",
        )

"""Gathers the limits of control groups (Linux): containers, and slices of services and jobs.

Both versions are read, for a machine may have either. A process is in one group for each hierarchy,
named in /proc/self/cgroup, and every group above limits it too. A container may see its own group
as the root of a hierarchy, while that file names it by its path on the host: then the root counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_text

GROUPS = "sys/fs/cgroup"
UNLIMITED = 1 << 60
"""Version 1 says "no limit" as a number near 2**63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimit:
    """A group's limit and use in bytes; cached files, which give way, do not count as used."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """What may still be used."""
        return max(0, self.limit - self.used)


def memory_limit(root: Path) -> MemoryLimit | None:
    """The group that leaves the least memory, of all that this process is in; None: no limit."""
    found = [
        one
        for group in _groups(root, "")
        if (one := _read_memory(group, "memory.max", "memory.current", "inactive_file"))
    ]
    found += [
        one
        for group in _groups(root, "memory")
        if (
            one := _read_memory(
                group, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            )
        )
    ]
    return min(found, key=lambda one: (one.left, one.limit), default=None)


def core_limit(root: Path) -> float | None:
    """The share of cores that the tightest group allows; None: no limit."""
    shares = [
        share for group in _groups(root, "") if (share := _share(*_text(group, "cpu.max").split()))
    ]
    shares += [
        share
        for group in _groups(root, "cpu")
        if (share := _share(_text(group, "cpu.cfs_quota_us"), _text(group, "cpu.cfs_period_us")))
    ]
    return min(shares, default=None)


def _share(quota: str = "", period: str = "") -> float | None:
    if not (quota.isdecimal() and period.isdecimal() and int(period)):  # "max", -1: no limit
        return None
    return int(quota) / int(period)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of a hierarchy that this process is in, from its own group up to the root.

    `controller` is that of version 1, or "" for version 2.
    """
    top = root / GROUPS / controller
    if not top.is_dir():
        return
    for line in _text(root, "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if controller in names.split(","):
            own = PurePosixPath(path.lstrip("/"))
            yield from (top / one for one in (own, *own.parents) if ".." not in one.parts)
            return
    yield top


def _read_memory(group: Path, limit: str, used: str, cached: str) -> MemoryLimit | None:
    most, now = _text(group, limit), _text(group, used)
    if not most.isdecimal() or not now.isdecimal() or int(most) >= UNLIMITED:
        return None
    rows = (row.split() for row in _text(group, "memory.stat").splitlines())
    free = next((int(row[1]) for row in rows if row[:1] == [cached]), 0)
    return MemoryLimit(limit=int(most), used=max(0, int(now) - free))


def _text(folder: Path, name: str) -> str:
    """The content of a file of the system; "" if there is none."""
    try:
        return read_text(folder / name, Document.SYSTEM).strip()
    except BadInputError:
        return ""

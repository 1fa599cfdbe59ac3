"""Gathers the limits of control groups (Linux): containers, and slices of services and jobs.

It reads both versions of control groups. A process is in one group of each hierarchy, listed in
/proc/self/cgroup, and is also limited by that group's parents. A container may see its own group as
the root of a hierarchy, while the file lists its path on the host: then we read the root.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_text

GROUPS = "sys/fs/cgroup"
UNLIMITED = 1 << 60
"""Limits from here on mean "no limit": version 1 writes a number near 2**63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimit:
    """A control group's memory limit and use in bytes; the use excludes cached files."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """The bytes that can still be used."""
        return max(0, self.limit - self.used)


def memory_limit(root: Path) -> MemoryLimit | None:
    """Return the memory limit of this process's tightest group; None without a limit."""
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
    """Return the number of cores (or a fraction) of the tightest group; None without a limit."""
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
    """Yield the folders of this process's control group and of that group's parents.

    `controller` names a cgroup v1 controller, such as "memory"; "" means cgroup v2.
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
    """Read a file of a control group; "" if it does not exist."""
    try:
        return read_text(folder / name, Document.SYSTEM).strip()
    except BadInputError:
        return ""

"""Gathers free space, quotas and permissions of the folders to write to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.doctor.core.facts import Absent, Goal, VolumeFacts
from sdcoreml.doctor.core.subjects import Output
from sdcoreml.doctor.core.workplaces import RESULTS
from sdcoreml.doctor.gather.probe import Probe, RunResult

_QUOTA = {
    "Linux": ("quota", "-u", "-w", "-p", "--hide-device", "--show-mntpoint"),
    "Darwin": ("quota", "-u"),
}
_QUOTA_SECONDS = 1.0
"""The time limit for `quota` in seconds: a dead file server must not hide facts about disks."""

_BLOCK = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The user's quota on a volume and its use, in bytes."""

    limit: int
    used: int


def volumes(goal: Goal, environments: Path, probe: Probe) -> Mapping[str, VolumeFacts]:
    """Gather the volume for each kind of file: results, environments, packages, temporary, hub."""
    temporary = probe.environ.get("TMPDIR") or "/tmp"  # noqa: S108  only looked at
    roles = {
        "output": Path(goal.output or RESULTS),
        "environments": environments,
        "packages": package_cache(probe),
        "temporary": Path(temporary),
        "hub": hub_cache(probe),
    }
    limits = quotas(probe)
    return {role: _volume(path, limits) for role, path in roles.items()}


def _volume(path: Path, limits: Mapping[str, Quota]) -> VolumeFacts:
    """Gather the volume of `path`, or of its nearest existing parent."""
    place = path.absolute()
    existing = next(one for one in (place, *place.parents) if one.exists())
    usage = shutil.disk_usage(existing)
    quota = limits.get(mount_point(existing), Quota(limit=0, used=0))
    return VolumeFacts(
        path=str(path),
        device=existing.stat().st_dev,
        total=usage.total,
        free=usage.free,
        writable=os.access(existing, os.W_OK),
        quota=quota.limit,
        quota_used=quota.used,
        files_free=_files_free(existing),
    )


def mount_point(path: Path) -> str:
    """Return the mount point of the volume that contains `path`."""
    top = path.resolve()
    while top.parent != top and top.parent.stat().st_dev == path.stat().st_dev:
        top = top.parent
    return str(top)


def _files_free(path: Path) -> int | None:
    """Return how many more files can be made; None if the volume does not count them."""
    if not hasattr(os, "statvfs"):
        return None
    figures = os.statvfs(path)
    return figures.f_favail if figures.f_files else None


def quotas(probe: Probe) -> Mapping[str, Quota]:
    """Run `quota` and return the user's quotas by mount point; none without that program."""
    command = _QUOTA.get(probe.system)
    said = probe.run(command, seconds=_QUOTA_SECONDS) if command else None
    # The exit code is 1 if a quota is exceeded, which is not a failure here.
    return read_quotas(said.out) if isinstance(said, RunResult) else {}


def read_quotas(text: str) -> Mapping[str, Quota]:
    """Parse the table of `quota`: mount point, then blocks of 1024 bytes used, quota and limit.

    A star marks an exceeded value; BSD puts a long mount point on a separate line.
    """
    found: dict[str, Quota] = {}
    place = ""
    for line in text.splitlines():
        words = line.replace("*", " ").split()
        if words and words[0].startswith("/"):
            place, words = words[0], words[1:]
        if place and len(words) >= 3 and all(word.isdecimal() for word in words[:3]):  # noqa: PLR2004
            used, soft, hard = (int(word) * _BLOCK for word in words[:3])
            if limit := hard or soft:
                found[place] = Quota(limit=limit, used=used)
            place = ""
    return found


def package_cache(probe: Probe) -> Path:
    """Return uv's cache folder, from its environment variables."""
    home = Path(probe.environ.get("XDG_CACHE_HOME") or probe.home / ".cache")
    return Path(probe.environ.get("UV_CACHE_DIR") or home / "uv")


def hub_cache(probe: Probe) -> Path:
    """Return the cache folder of huggingface_hub, from its environment variables."""
    home = Path(probe.environ.get("XDG_CACHE_HOME") or probe.home / ".cache")
    base = Path(probe.environ.get("HF_HOME") or home / "huggingface")
    return Path(probe.environ.get("HF_HUB_CACHE") or base / "hub")


def output(goal: Goal) -> Output | Absent:
    """Gather the existing content of the output folder."""
    folder = Path(goal.output)
    if not goal.output or not folder.is_dir():
        return Absent(reason="the output folder is new")
    names = sorted(path.name for path in folder.iterdir())
    programs = tuple(name for name in names if name.endswith((".mlpackage", ".mlmodelc")))
    return Output(path=goal.output, programs=programs, manifest="manifest.json" in names)

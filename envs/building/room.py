"""Checks before a build whether each volume has enough free space."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.errors import NoSpaceError
from sdcoreml.ground.quantity import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A need for space: bytes, purpose, folder (may not exist yet), how to choose another one."""

    size: int
    what: str
    folder: Path
    elsewhere: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A mounted file system: its mount point and its free bytes."""

    path: Path
    free: int


def volume_of(folder: Path) -> Volume:
    """Return the volume of a folder, which need not exist yet."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    path, device = folder.resolve(), folder.stat().st_dev
    while path.parent != path and path.parent.stat().st_dev == device:
        path = path.parent
    return Volume(path=path, free=shutil.disk_usage(folder).free)


def require_room(needs: Iterable[Need], look: Callable[[Path], Volume] = volume_of) -> None:
    """Raise a `NoSpaceError` that lists every volume with too little free space."""
    together: dict[Path, tuple[Volume, list[Need]]] = {}
    for need in needs:
        if need.size:
            volume = look(need.folder)
            together.setdefault(volume.path, (volume, []))[1].append(need)
    short = [
        _shortage(volume, wanted)
        for volume, wanted in together.values()
        if volume.free < sum(need.size for need in wanted)
    ]
    if short:
        raise NoSpaceError(f"{'; '.join(short)} (nothing was downloaded)")


def _shortage(volume: Volume, needs: list[Need]) -> str:
    """Return text such as `/: 5.7 GB needed for the environment, 2.0 GB are free; ...`."""
    total = sum(need.size for need in needs)
    parts = " and ".join(
        f"{amount(need.size)} for {need.what} in {os.fspath(need.folder)}" for need in needs
    )
    ways = " or ".join(need.elsewhere for need in needs)
    return (
        f"volume {volume.path}: {parts} needed, {amount(volume.free)} free;"
        f" free {amount(total - volume.free)} there, or choose another volume with {ways}"
    )

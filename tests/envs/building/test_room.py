from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.envs.building.room import (
    Need,
    Volume,
    require_room,
    volume_of,
)
from sdcoreml.ground.errors import NoSpaceError

GB = 10**9


def need(folder: str, size: int, what: str = "the environment", elsewhere: str = "ENVS") -> Need:
    return Need(size=size, what=what, folder=Path(folder), elsewhere=elsewhere)


def volumes(**free: int) -> Callable[[Path], Volume]:
    """Return a function that finds the volume of a path: its first part, with this free space."""
    return lambda folder: Volume(path=Path("/", folder.parts[1]), free=free[folder.parts[1]])


def test_room_on_each_volume_is_enough() -> None:
    needs = (need("/big/envs", 5 * GB), need("/small/cache", GB))
    require_room(needs, volumes(big=5 * GB, small=GB))


def test_what_shares_a_volume_is_added_up() -> None:
    needs = (need("/big/envs", 5 * GB), need("/big/cache", 4 * GB, "wheels", "CACHE"))
    require_room(needs, volumes(big=9 * GB))
    with pytest.raises(NoSpaceError) as caught:
        require_room(needs, volumes(big=9 * GB - GB // 2))
    assert str(caught.value) == (
        "volume /big: 5.0 GB for the environment in /big/envs and 4.0 GB for wheels in /big/cache"
        " needed, 8.5 GB free; free 500 MB there, or choose another volume with ENVS or CACHE"
        " (nothing was downloaded)"
    )


def test_every_volume_that_is_too_small_is_named() -> None:
    needs = (need("/a/envs", 5 * GB), need("/b/cache", 5000, "wheels", "CACHE"))
    with pytest.raises(NoSpaceError, match=r"^volume /a: .*ENVS; volume /b: 5 kB for wheels"):
        require_room(needs, volumes(a=0, b=4999))


def test_a_volume_where_nothing_is_needed_is_not_looked_at() -> None:
    require_room((need("/gone/cache", 0),), volumes())


def test_a_folder_that_is_not_there_yet_lies_on_its_parents_volume(tmp_path: Path) -> None:
    found = volume_of(tmp_path / "not" / "yet")
    assert found.path == volume_of(tmp_path).path
    assert os.path.ismount(found.path)
    assert found.free > 0


def test_the_volume_of_another_mount_is_that_mount() -> None:
    if not os.path.ismount("/dev/shm"):  # noqa: S108  a file system of its own, only looked at
        pytest.skip("no second file system here")
    assert volume_of(Path("/dev/shm/x/y")).path == Path("/dev/shm")  # noqa: S108

"""What follows from facts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.doctor.healthy import VOLUMES


@pytest.mark.parametrize(
    ("free", "quota", "used", "room"),
    [
        (100, 0, 0, 100),
        (100, 0, 70, 100),
        (100, 80, 0, 80),
        (100, 80, 30, 50),
        (40, 80, 30, 40),
        (100, 80, 80, 0),
        (100, 80, 90, 0),
    ],
)
def test_room_is_what_the_disk_and_a_quota_leave(
    free: int, quota: int, used: int, room: int
) -> None:
    one = replace(VOLUMES["output"], free=free, quota=quota, quota_used=used)
    assert one.room == room

"""A small part of `python -m tests.kills_queue`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills_queue import STAND_IN, Bench, run


@pytest.mark.slow
def test_a_queue_that_is_killed_anywhere_ends_in_the_same_bytes_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    killed, undisturbed = (
        Bench(folder=tmp_path / name, command=STAND_IN, is_plain=True)
        for name in ("killed", "undisturbed")
    )
    assert run(killed, undisturbed, moments=3, seed=1) == []

"""A small part of `python -m tests.kills`."""

from __future__ import annotations

from pathlib import Path

from tests.kills import STAND_IN, Bench, run


def test_a_job_that_is_killed_anywhere_ends_in_the_same_bytes_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    killed, undisturbed = (
        Bench(folder=tmp_path / name, command=STAND_IN, is_plain=True)
        for name in ("killed", "undisturbed")
    )
    assert run(killed, undisturbed, moments=6, seed=1) == []

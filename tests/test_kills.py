"""A small part of `python -m tests.kills`."""

from __future__ import annotations

from pathlib import Path

from tests.kills import STAND_IN, Bench, missed, run


def test_many_moments_that_never_hit_one_aim_prove_nothing(tmp_path: Path) -> None:
    plain, real = (Bench(folder=tmp_path, command=(), is_plain=one) for one in (True, False))
    hits = {"parent": 40}
    assert missed(hits, plain, 40) == ["no writer was hit in 40 moments"]
    assert missed(hits, real, 40) == [
        f"no {aim} was hit in 40 moments" for aim in ("child", "writer")
    ]
    assert missed(hits, real, 6) == []
    assert missed({"parent": 20, "child": 10, "writer": 10}, real, 40) == []
    assert missed({"nobody": 40}, real, 40) == ["every run had ended before it was killed"]


def test_a_job_that_is_killed_anywhere_ends_in_the_same_bytes_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    killed, undisturbed = (
        Bench(folder=tmp_path / name, command=STAND_IN, is_plain=True)
        for name in ("killed", "undisturbed")
    )
    assert run(killed, undisturbed, moments=6, seed=1) == []

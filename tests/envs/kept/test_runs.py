from __future__ import annotations

from collections.abc import Sequence

import pytest

from sdcoreml.envs.kept.runs import MOST_BYTES, runs_of

HALF = MOST_BYTES // 2


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [
        ([], []),
        ([5], [1]),
        ([0] * 64, [64]),
        ([0] * 65, [64, 1]),
        ([HALF, HALF], [2]),
        ([HALF, HALF, 1], [2, 1]),
        ([1, MOST_BYTES + 1, 1, 1], [1, 1, 2]),
        ([MOST_BYTES, MOST_BYTES, 1], [1, 1, 1]),
        ([MOST_BYTES, HALF, HALF, 1], [1, 2, 1]),
    ],
)
def test_a_run_ends_before_it_has_too_many_files_or_bytes(
    sizes: Sequence[int], lengths: Sequence[int]
) -> None:
    files = list(enumerate(sizes))
    found = list(runs_of(files, lambda file: file[1]))
    assert [len(run) for run in found] == lengths
    assert [file for run in found for file in run] == files

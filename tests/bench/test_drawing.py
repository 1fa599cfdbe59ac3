"""The verdict that the benchmark of drawing prints."""

from __future__ import annotations

import pytest

from tests.bench.drawing import verdict


@pytest.mark.parametrize(
    ("times", "peak", "said"),
    [
        (1.3, 4.5e9, "  1.30 times diffusers (limit 1.3), 4.5 GB (limit 4.5): met"),
        (1.31, 4.5e9, "  1.31 times diffusers (limit 1.3), 4.5 GB (limit 4.5): MISSED"),
        (0.9, 4.6e9, "  0.90 times diffusers (limit 1.3), 4.6 GB (limit 4.5): MISSED"),
    ],
)
def test_a_figure_comes_with_its_limit(times: float, peak: float, said: str) -> None:
    assert verdict(times, peak) == said

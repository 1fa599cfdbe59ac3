"""OPERATIONS.md is current, and our programs have no more operations than upstream's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.operations_page import (
    COUNTED,
    UPSTREAM,
    count_operations,
    page,
)

PAGE = Path(__file__).parents[3] / "convert" / "OPERATIONS.md"
AGAIN = ".envs/tested/bin/python -m tools.operations_page > convert/OPERATIONS.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"run: {AGAIN}"


MORE = {"sd1-unet-original-512x512": {"mul": 32}}
"""By program: how many operations of a type it may have more than upstream's.

For heads of 40 features, float16 cannot hold the scale of attention exactly. So it is two factors,
one on the queries and one on the keys, in each of 32 attentions.
"""


@pytest.mark.parametrize("name", sorted(UPSTREAM))
def test_no_program_has_more_operations_than_upstream_s_but_for_a_reason(name: str) -> None:
    theirs = [int(item.split()[1]) for item in UPSTREAM[name].split(", ")]
    assert sum(count_operations(name).values()) <= sum(theirs) + sum(MORE.get(name, {}).values())


def test_every_case_is_counted_once() -> None:
    assert len(COUNTED) == len(set(COUNTED))

"""Sets how often Python looks for reference cycles."""

from __future__ import annotations

import gc

YOUNG, OLD = 100_000, 50
"""Collect after so many new objects, and older ones after so many collections (Python: 700, 10)."""


def collect_rarely() -> None:
    """Look for reference cycles rarely: we make hundreds of thousands of objects, and few cycles.

    The objects of a program live until the end. At Python's own thresholds, all of them are looked
    through again and again while a program is parsed.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, OLD, OLD)

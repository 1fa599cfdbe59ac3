"""Sets how often Python looks for reference cycles."""

from __future__ import annotations

import gc

YOUNG, OLD = 100_000, 50
"""Collect after so many new objects, and older ones after so many collections (Python: 700, 10)."""


def collect_rarely() -> None:
    """Look for reference cycles rarely: we make hundreds of thousands of objects, and few cycles.

    A program of SDXL is a million objects that live until the end. At Python's own thresholds,
    looking through them again and again took a third of the time that parsing it took.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, OLD, OLD)

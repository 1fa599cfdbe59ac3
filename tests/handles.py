"""What a test opens, it closes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPEN = Path("/dev/fd")


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Fail if the block leaves a descriptor of this process open."""
    before = sorted(_OPEN.iterdir())
    yield
    assert sorted(_OPEN.iterdir()) == before

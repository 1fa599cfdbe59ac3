"""Keeps the mapped pages that an audit holds few, however large the files are."""

from __future__ import annotations

from sdcoreml.convert.programs.payload import RELEASE_AFTER
from sdcoreml.convert.storage.elements import Mapped


class Pages:
    """Counts what is read from files, and releases their pages after each `RELEASE_AFTER` bytes."""

    def __init__(self, *sources: object) -> None:
        self._mapped = [source for source in sources if isinstance(source, Mapped)]
        self._read = 0

    def count(self, nbytes: int) -> None:
        """Count bytes that were read."""
        self._read += nbytes
        if self._read > RELEASE_AFTER:
            self.release()

    def release(self) -> None:
        """Release all pages now."""
        self._read = 0
        for source in self._mapped:
            source.release()

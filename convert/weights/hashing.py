"""SHA-256 of a stream, on a thread of its own: computing it takes longer than copying."""

from __future__ import annotations

import hashlib
from functools import partial

from sdcoreml.convert.weights.background import Background


class Digest:
    """The SHA-256 of everything that it was given, in order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._thread = Background()

    def update(self, data: bytes | memoryview) -> None:
        """Add `data`, which must not change before the next call has returned."""
        self._thread.do(partial(self._digest.update, data))

    def close(self) -> None:
        """End the thread; the digest stays."""
        self._thread.close()

    def hexdigest(self) -> str:
        """The digest in hexadecimal."""
        self._thread.wait()
        return self._digest.hexdigest()

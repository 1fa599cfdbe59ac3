"""What can be wrong with a toolchain or a lock."""

from __future__ import annotations

from typing import ClassVar


class LockfileError(Exception):
    """A toolchain or a lock is missing, damaged or does not serve this machine."""

    exit_code: ClassVar[int] = 1


class VersionError(LockfileError, ValueError):
    """A text that should be a version, or a range of them, is none."""

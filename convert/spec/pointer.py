"""Detects Git LFS pointers, which a clone without git-lfs has in place of large files."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.ground.errors import BadInputError

POINTER = b"version https://git-lfs"
"""The first bytes of every pointer."""


def refuse_pointer(head: bytes, path: Path) -> None:
    """Raise `BadInputError` if the file at `path` begins like a pointer."""
    if head.startswith(POINTER):
        raise BadInputError(
            "a git-lfs pointer, not the file", where=path, remedy="run 'git lfs pull' in its folder"
        )

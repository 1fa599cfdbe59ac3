"""Git LFS pointers: what a clone without git-lfs has in place of large files."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.ground.errors import BadInputError

POINTER = b"version https://git-lfs"
"""How each of them begins."""


def refuse_pointer(head: bytes, path: Path) -> None:
    """Raise `BadInputError` if the beginning of the file at `path` is that of a pointer."""
    if head.startswith(POINTER):
        raise BadInputError(
            "a git-lfs pointer, not the file", where=path, remedy="run 'git lfs pull' in its folder"
        )

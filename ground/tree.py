"""Walks through folders of bounded depth: Python's own walks recurse, and end in a traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sdcoreml.ground.errors import BadInputError

DEEPEST = 400
"""How many folders may be nested; every recursion over them needs a frame for each."""


def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield what `os.walk` yields: each folder, and the names of folders and files in it.

    Raises:
        BadInputError: folders are nested more than `DEEPEST` deep, so that files could be missed.
    """
    start = len(os.fspath(folder))
    for place, folders, files in os.walk(folder):
        yield place, folders, files
        if folders and place.count(os.sep, start) >= DEEPEST:
            top = Path(place).relative_to(folder).parts[0]
            raise BadInputError(
                f"folders are nested more than {DEEPEST} deep",
                where=folder / top,
                remedy="move it to another place",
            )

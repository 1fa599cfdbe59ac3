"""Walks through folders of any depth: a path may be longer than the system takes at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LONGEST = 1_000
"""The letters of a path that are opened at once; the system takes 4,095 bytes."""


def walk(root: Path) -> Iterator[tuple[str, int, str, os.stat_result]]:
    """Yield each thing below `root`: its path, its folder as an open file, its name, its status.

    Folders come before what is in them. Links are not followed; what cannot be read is left out.
    """
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    waiting = [""]
    try:
        while waiting:
            above = waiting.pop()
            folder = -1
            with suppress(OSError):
                folder = _open(top, above)
            if folder < 0:
                continue
            try:
                for name in sorted(os.listdir(folder)):  # noqa: PTH208  it is open, and has no path
                    with suppress(FileNotFoundError):
                        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                        yield above + name, folder, name, status
                        if stat.S_ISDIR(status.st_mode):
                            waiting.append(f"{above}{name}/")
            finally:
                os.close(folder)
    finally:
        os.close(top)


def _open(top: int, path: str) -> int:
    """Open the folder `path`, which is empty or ends with a slash, below the open folder `top`."""
    here = os.dup(top)
    while path:
        cut = len(path) if len(path) < _LONGEST else path.rindex("/", 0, _LONGEST) + 1
        try:
            inner = os.open(path[:cut], os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        finally:
            os.close(here)
        here, path = inner, path[cut:]
    return here

"""A result folder is made aside, under one lock, and takes its place in one rename.

What `convert.weights.aside` does for every folder, and for results two things more: a second run
for the same folder is told so at once, and errors name the folder as people know it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convert.errors import ConvertError
from convert.weights.aside import explained, folder_aside

MARKER = "manifest.json"
"""Only a folder that holds this file, or an empty one, is ever replaced."""


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; on leaving without an error it becomes `target`.

    Raises:
        BadInputError: `target` exists and is not a result of this tool.
        ConvertError: another process is making the same folder, or the place is not writable.
        NoSpaceError: the disk is full; nothing is left behind.
    """
    with _locked(target), folder_aside(target, MARKER) as folder:
        try:
            yield folder
        except ConvertError as error:  # nobody shall look for a file under its passing name
            error.args = (str(error).replace(str(folder), str(target)),)
            raise


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the lock of `target` and take its file away at the end."""
    lock = target.with_name(f".{target.name}.lock")
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(lock) as held:
        if not held:
            raise ConvertError(
                f"{target}: another conversion is writing this folder; wait for it, or choose"
                " another output"
            )
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Try to lock the file; a lock on a file that its last holder has removed is worth nothing."""
    while True:
        with explained(path), path.open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            if path.exists() and path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                yield True
                return

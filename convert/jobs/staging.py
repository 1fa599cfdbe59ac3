"""A result folder is made aside, under one lock, and takes its place in one rename.

What `ground.aside` does for every folder, and for results two things more: a second run
for the same folder is told so at once, and errors name the folder as people know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdcoreml.ground.aside import folder_aside
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.locks import try_lock_file
from sdcoreml.ground.refusals import explained

MARKER = "manifest.json"
"""Only a folder that holds this file, or an empty one, is ever replaced."""


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; on leaving without an error it becomes `target`.

    Raises:
        BadInputError: `target` exists and is not a result of this tool.
        SdcoremlError: another process is making the same folder, or the place is not writable.
        NoSpaceError: the disk is full; nothing is left behind.
    """
    with _locked(target), folder_aside(target, MARKER) as folder:
        try:
            yield folder
        except SdcoremlError as error:  # nobody shall look for a file under its passing name
            error.move(folder, target)
            raise


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the lock of `target` and take its file away at the end."""
    lock = target.with_name(f".{target.name}.lock")
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with explained(lock), try_lock_file(lock) as held:
        if not held:
            raise SdcoremlError(
                "another conversion is writing this folder",
                where=target,
                remedy="wait for it, or choose another output",
            )
        yield

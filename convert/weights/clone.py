"""A second name for a file that is already right: shared blocks where the disk can, else a link."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

from convert.weights.aside import scratch_beside

_FICLONE = 0x40049409  # linux/fs.h: share all blocks of another file, copied when written to


def clone(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, without copying its bytes if that can be avoided.

    Tries a copy-on-write clone, then a hard link, then a copy. `target` must not exist; it is not
    renamed into place, so it belongs in a folder that is itself made aside.
    """
    if sys.platform == "linux" and _share_blocks(source, target):
        return
    try:
        target.hardlink_to(source)
    except OSError:
        _copy(source, target)


def clone_aside(source: Path, target: Path) -> None:
    """Let `target` be the same file as `source`, replacing whatever had that name, at once."""
    with scratch_beside(target) as folder:
        part = folder / target.name
        clone(source, part)
        part.replace(target)


def _share_blocks(source: Path, target: Path) -> bool:
    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        except OSError:
            target.unlink()
            return False
    return True


def _copy(source: Path, target: Path) -> None:
    from convert.weights.transfer import Transfer

    with source.open("rb") as old, target.open("xb") as new:
        size = os.fstat(old.fileno()).st_size
        for _ in Transfer().copy(old.fileno(), 0, new.fileno(), 0, size):
            pass

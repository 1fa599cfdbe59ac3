"""Weight files of one content are stored once.

A UNet, the same for a ControlNet, and every image size and attention layout of it have one
`weight.bin`, byte for byte. Hard links make it cost its size once; where a disk has none, every
package keeps its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from convert.digest import sha256

WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


def share_weights(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Link the weight files of the first folder's packages to equal ones, its own or others'.

    Returns the files that became links. What cannot be linked is left as it is.
    """
    mine, *others = (sorted(folder.glob(f"*.mlpackage/{WEIGHTS}")) for folder in folders)
    known = [path for found in others for path in found]
    shared = []
    for path in mine:
        twin = next((other for other in known if _equal(path, other)), None)
        if twin is not None and _link(twin, path):
            shared.append(path)
        known.append(path)
    return tuple(shared)


def _equal(one: Path, other: Path) -> bool:
    """Whether two files have one content but are not one file yet."""
    if one.stat().st_size != other.stat().st_size or one.samefile(other):
        return False
    return sha256(one) == sha256(other)


def _link(source: Path, target: Path) -> bool:
    """Put a hard link to `source` in the place of `target`."""
    aside = target.with_name(f".{target.name}.link")
    try:
        aside.unlink(missing_ok=True)
        os.link(source, aside)
        aside.replace(target)
    except OSError:  # another disk, or one without hard links
        return False
    return True

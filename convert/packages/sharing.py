"""Stores weight files with equal content only once.

The variants of a UNet for ControlNets, image sizes and attention layouts have identical
`weight.bin` files. With hard links, they are stored once; on a disk without hard links, every
package keeps its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from sdcoreml.convert.packages.write import WEIGHTS
from sdcoreml.ground.digest import sha256


def share_weights(folder: Path) -> tuple[Path, ...]:
    """Replace weight files of a folder's packages with hard links to equal ones in that folder.

    Returns the files that became links. Files that cannot be linked are left unchanged.
    """
    known: list[Path] = []
    shared = []
    for path in sorted(folder.glob(f"*.mlpackage/{WEIGHTS}")):
        twin = next((other for other in known if _equal(path, other)), None)
        if twin is not None and _link(twin, path):
            shared.append(path)
        known.append(path)
    return tuple(shared)


def _equal(one: Path, other: Path) -> bool:
    """Whether two files have equal content but are not the same file yet."""
    if one.stat().st_size != other.stat().st_size or one.samefile(other):
        return False
    return sha256(one) == sha256(other)


def _link(source: Path, target: Path) -> bool:
    """Replace `target` with a hard link to `source`."""
    aside = target.with_name(f".{target.name}.link")
    try:
        aside.unlink(missing_ok=True)
        os.link(source, aside)
        aside.replace(target)
    except OSError:  # another disk, or one without hard links
        return False
    return True

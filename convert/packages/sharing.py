"""Weight files of one content are stored once.

A UNet, the same for a ControlNet, and every image size and attention layout of it have one
`weight.bin`, byte for byte. Hard links make it cost its size once; where a disk has none, every
package keeps its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from sdcoreml.convert.packages.write import WEIGHTS
from sdcoreml.ground.digest import sha256


def share_weights(folder: Path) -> tuple[Path, ...]:
    """Link the weight files of a folder's packages to equal ones among them.

    Returns the files that became links. What cannot be linked is left as it is.
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

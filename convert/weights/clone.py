"""Duplicates a file: as a clone that shares its blocks, as a hard link, or else as a copy."""

from __future__ import annotations

import ctypes
import errno
import filecmp
import os
import platform
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from sdcoreml.convert.weights.transfer import copy_file
from sdcoreml.ground.aside import scratch_beside
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.files import open_regular
from sdcoreml.ground.outputs import find_place
from sdcoreml.ground.refusals import translate_os_errors

_FICLONE = 0x40049409
"""The Linux ioctl that makes a file share the blocks of another."""

_UNFIT = frozenset(
    {
        *(errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EINVAL, errno.ENOSYS),
        *(errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOTTY, errno.EBADF),
    }
)
"""Errors which mean that a method is unavailable, not that the disk is faulty."""


class Placement(Enum):
    """The method by which a file was duplicated; a conversion says it in this word."""

    CLONED = "cloned"
    """The file shares its blocks with the source until one of them is written to."""
    LINKED = "hard-linked"
    """The file is the source itself, under a second name."""
    COPIED = "copied"


def place(source: Path, target: Path) -> Placement:
    """Duplicate the file `source` at `target`, which must not exist, by the cheapest method.

    The duplicate is written directly to `target`, which must therefore be in a folder that nothing
    uses yet.

    Raises:
        SdcoremlError: a copy is not equal to its source.
        OSError: the disk is full or not writable.
    """
    real = source.resolve()
    for placement, way in ((Placement.CLONED, _clone), (Placement.LINKED, link)):
        if fits(way, real, target):
            return placement
    copy(real, target)
    return Placement.COPIED


def share(source: Path, target: Path) -> bool:
    """Clone or hard-link the file `source` as `target`; return false if neither is possible."""
    real = source.resolve()
    return fits(_clone, real, target) or fits(link, real, target)


def clone(source: Path, target: Path) -> bool:
    """Clone the file `source` as `target`; return false if the disk cannot."""
    return fits(_clone, source.resolve(), target)


def place_aside(source: Path, target: Path) -> Placement:
    """Do the same as `place`, but replace any existing file `target` atomically.

    Raises:
        BadInputError: `target` is a folder or a device, or not a name that a file can have.
    """
    real = find_place(target)
    with scratch_beside(real) as folder:
        part = folder / real.name
        placement = place(source, part)
        with translate_os_errors(target):
            part.replace(real)
    return placement


def fits(way: Callable[[Path, Path], None], source: Path, target: Path) -> bool:
    """Return whether `way` duplicated the file; if it is unavailable, `target` does not exist."""
    try:
        way(source, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        if error.errno not in _UNFIT:
            raise
        return False
    return True


def _clone(source: Path, target: Path) -> None:
    if platform.system() == "Darwin":
        system = ctypes.CDLL(None, use_errno=True)
        if system.clonefile(os.fsencode(source), os.fsencode(target), 0):
            raise OSError(ctypes.get_errno(), "clonefile", str(target))
        return
    import fcntl

    with open_regular(source) as origin, target.open("xb") as copy:
        fcntl.ioctl(copy.fileno(), _FICLONE, origin.fileno())


def link(source: Path, target: Path) -> None:
    """Hard-link the file `source` as `target`. Raises `OSError`."""
    target.hardlink_to(source)


def copy(source: Path, target: Path) -> None:
    """Copy `source` to the new file `target`, and compare the two.

    Raises:
        SdcoremlError: the two are not equal afterwards.
    """
    with open_regular(source) as origin, target.open("xb") as copy:
        copy_file(origin.fileno(), copy.fileno())
    if not filecmp.cmp(source, target, shallow=False):
        raise SdcoremlError(
            f"not equal to {source} after copying", where=target, remedy="check the disk"
        )

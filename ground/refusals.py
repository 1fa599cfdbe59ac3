"""Translates errors of the operating system into errors of this project."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sdcoreml.ground.errors import BadInputError, EnvError, NoSpaceError, SdcoremlError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
NO_NAME = frozenset(
    {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EBUSY}
)
"""The system's error numbers for a path at which no file can be made."""


_FULL_DISK = ("the disk filled up", "free space")
_LIMITS = {
    errno.EDQUOT: ("your quota was used up", "free space"),
    errno.EFBIG: ("a limit on the size of files was reached", "raise it (ulimit -f)"),
}
"""The message and remedy for each error number in `FULL`, except that of a full disk."""


@contextmanager
def translate_os_errors(place: str | os.PathLike[str]) -> Iterator[None]:
    """Translate errors of the operating system that occur while `place` is written."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in FULL:
            what, remedy = _LIMITS.get(error.errno or 0, _FULL_DISK)
            raise NoSpaceError(
                f"{what} while writing",
                where=place,
                remedy=f"{remedy} or choose another disk (the partial output was removed)",
            ) from error
        if error.errno in DENIED:
            raise SdcoremlError(
                f"cannot write here ({why})", where=place, remedy="choose another folder"
            ) from error
        if error.errno in NO_NAME:
            raise BadInputError(
                f"no file can have this name ({why})", where=place, remedy="choose another"
            ) from error
        raise


@contextmanager
def translate_store_errors(place: str | os.PathLike[str]) -> Iterator[None]:
    """Like `translate_os_errors`, for the folder of environments, which SDCOREML_ENVS can move."""
    remedy = "choose another folder with SDCOREML_ENVS (the environment in use is as it was)"
    try:
        yield
    except OSError as error:
        path = os.fsdecode(error.filename) if error.filename is not None else place
        why = error.strerror or str(error)
        if error.errno in FULL:
            raise NoSpaceError(why, where=path, remedy=f"free space there, or {remedy}") from error
        raise EnvError(why, where=path, remedy=f"make it writable, or {remedy}") from error

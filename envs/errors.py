"""What can go wrong with an environment, and the exit code of each kind.

A message says what, where and what to do next, in one line.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class EnvError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class NoInterpreterError(EnvError):
    """There is no Python here that the toolchain accepts."""


class InstallError(EnvError):
    """The installer could not bring a package, or what it brought is not what was locked."""


class UnreachableError(InstallError):
    """The package index cannot be reached."""


class UntakenError(EnvError):
    """A second opinion could not be asked for; that says nothing against the lock."""


class UnauditedError(EnvError):
    """Nobody could be asked about vulnerabilities; that says nothing about the packages."""

    exit_code = 3


class BrokenError(EnvError):
    """An environment does not work, or is not what its seal says."""


class ArchiveError(EnvError):
    """A file is not an exported environment, is damaged, or is for another machine."""

    exit_code = 3


class NoSpaceError(EnvError):
    """The disk is full, or would be."""

    exit_code = 5


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into one line that names the path and the way out."""
    try:
        yield
    except OSError as error:
        path = error.filename if error.filename is not None else place
        if error.errno in FULL:
            raise NoSpaceError(
                f"{path}: {error.strerror}; free space there, or choose another folder with"
                " SDCOREML_ENVS (the environment in use is as it was)"
            ) from error
        raise EnvError(
            f"{path}: {error.strerror or error}; make it writable, or choose another folder with"
            " SDCOREML_ENVS (the environment in use is as it was)"
        ) from error

"""What can go wrong at the front door itself; each floor below has errors of its own."""

from __future__ import annotations

from typing import ClassVar


class DoctorError(Exception):
    """Base of the errors that the command line raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(DoctorError):
    """The arguments do not fit together."""

    exit_code = 2


class UnableError(DoctorError):
    """The doctor says that this machine cannot do it; the message is the first of the reasons."""


class NoRoomError(UnableError):
    """Only the disk stands in the way."""

    exit_code = 5

"""What can go wrong in a conversion, and the exit code of each kind.

A message says what, where and what to do next, in one line.
"""

from __future__ import annotations

from typing import ClassVar


class ConvertError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class BadInputError(ConvertError):
    """The input is damaged, incomplete, or not what it claims to be."""

    exit_code = 3


class UnsupportedError(BadInputError):
    """The input is sound, but neither this tool nor its target can run it."""


class UnsafePickleError(ConvertError):
    """A pickle names something that has no place in a checkpoint. Nothing was executed."""

    exit_code = 4


class NoSpaceError(ConvertError):
    """The disk is full, or would be."""

    exit_code = 5


class ParityError(ConvertError):
    """A written program does not compute what its torch module computes."""

    exit_code = 6


class WorkerError(ConvertError):
    """The child process inside the built environment failed or died; `log` is what it printed.

    `explanation` is what is known of such a log, for people; it is said after the error.
    """

    exit_code = 7
    explanation = ""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log

"""The error class of all floors: what is wrong, where, and what to do next.

It prints as one line, `<where>: <what>; <remedy>`. Code that needs a part of it reads the field
and never parses the line. Each subclass has its exit code.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of `sdcoreml`."""

    FINE = 0
    PROBLEMS = 1
    USAGE = 2
    BAD_INPUT = 3
    UNSAFE = 4
    NO_SPACE = 5
    WRONG_NUMBERS = 6
    CHILD_DIED = 7
    BUG = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class SdcoremlError(Exception):
    """The base class of every error that this project raises on purpose.

    Args:
        what: what is wrong, without the path.
        where: the path or name that is at fault.
        remedy: what to do next.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.PROBLEMS
    explanation = ""
    """Further details, printed below the error's line."""

    code = ""
    """The id of the doctor's check that finds the same fault, if there is one."""

    def __init__(self, what: str, *, where: str | os.PathLike[str] = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = os.fspath(where)
        self.remedy = remedy

    def __str__(self) -> str:
        return one_sentence(self.where, self.what, self.remedy)

    @property
    def complaint(self) -> str:
        """The message without `where`, for callers that name the path themselves."""
        return one_sentence("", self.what, self.remedy)

    @property
    def fault(self) -> Fault:
        """The error as a value, to be collected with others."""
        return Fault(
            where=self.where, what=self.what, remedy=self.remedy, error=type(self), code=self.code
        )

    def move(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> None:
        """Replace the temporary path `old` in the message by `new`."""
        before, after = os.fspath(old), os.fspath(new)
        self.where, self.what, self.remedy, self.explanation = (
            text.replace(before, after)
            for text in (self.where, self.what, self.remedy, self.explanation)
        )


class UsageError(SdcoremlError):
    """The command line is wrong: an argument is unknown, or two contradict each other."""

    exit_code = ExitCode.USAGE


class BadInputError(SdcoremlError):
    """The input is damaged, incomplete, or not what it claims to be."""

    exit_code = ExitCode.BAD_INPUT


class UnsupportedError(BadInputError):
    """The input is sound, but neither this tool nor its target can run it."""


class UnsafePickleError(SdcoremlError):
    """A pickle names code that no checkpoint needs. Nothing was executed."""

    exit_code = ExitCode.UNSAFE


class NoSpaceError(SdcoremlError):
    """The disk is full, or would be."""

    exit_code = ExitCode.NO_SPACE


class ParityError(SdcoremlError):
    """A program's output differs from that of its torch module."""

    exit_code = ExitCode.WRONG_NUMBERS


class WorkerError(SdcoremlError):
    """The child process in the environment failed or died; `log` is what it printed."""

    exit_code = ExitCode.CHILD_DIED

    def __init__(
        self, what: str, *, where: str | os.PathLike[str] = "", remedy: str = "", log: str = ""
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.log = log


class BusyError(SdcoremlError):
    """Another process is doing the same; `where` is what it makes."""


class FetchError(SdcoremlError):
    """A model given by name cannot be fetched: no network, or no access."""


class LockfileError(SdcoremlError):
    """A toolchain or a lock is missing, damaged, or not for this machine."""


class UnknownToolchainError(LockfileError):
    """No toolchain has the given name."""

    exit_code = ExitCode.USAGE


class VersionError(LockfileError, ValueError):
    """A string is not a valid version or version range."""


class EnvError(SdcoremlError):
    """An environment cannot be built or used."""


class NoInterpreterError(EnvError):
    """This machine has no Python that the toolchain accepts."""


class InstallError(EnvError):
    """The installer could not install a package, or installed another than the locked one."""


class UnreachableError(InstallError):
    """The package index cannot be reached."""


class NoOpinionError(EnvError):
    """A second resolver could not be run to check a lock, which says nothing about the lock."""


class BrokenError(EnvError):
    """An environment does not work, or its files differ from its seal."""


class ArchiveError(EnvError):
    """A file is not an exported environment, is damaged, or is for another kind of machine."""

    exit_code = ExitCode.BAD_INPUT


class UnableError(SdcoremlError):
    """The doctor found that this machine cannot do what was asked; `what` is the first reason."""


class NoRoomError(UnableError):
    """The doctor found too little disk space, and no other obstacle."""

    exit_code = ExitCode.NO_SPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault found in an input, as a value; `error` is the class of error to raise for it.

    `code` is the id of the doctor's check that finds the same fault, if there is one.
    """

    where: str | os.PathLike[str]
    what: str
    remedy: str = ""
    error: type[SdcoremlError] = BadInputError
    code: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", os.fspath(self.where))

    def __str__(self) -> str:
        return one_sentence(self.where, self.what, self.remedy)

    def as_error(self) -> SdcoremlError:
        """Convert the fault to an exception."""
        error = self.error(self.what, where=self.where, remedy=self.remedy)
        error.code = self.code
        return error

    def at(self, where: str | os.PathLike[str]) -> Fault:
        """Return the same fault for another path or name."""
        return replace(self, where=os.fspath(where))


def one_sentence(where: str | os.PathLike[str], what: str, remedy: str) -> str:
    """Join the parts to `<where>: <what>; <remedy>`, leaving out empty ones."""
    return (f"{os.fspath(where)}: " if where else "") + what + (f"; {remedy}" if remedy else "")


def raise_first(faults: Sequence[Fault]) -> None:
    """Raise the gravest of `faults` (unsafe before damaged), saying how many others there are."""
    if not faults:
        return
    gravest = max(faults, key=lambda fault: fault.error.exit_code)
    rest = len(faults) - 1
    more = f" (and {rest} more: `sdcoreml inspect MODEL` lists them)" if rest else ""
    remedy = gravest.remedy + more if gravest.remedy else ""
    what = gravest.what if gravest.remedy else gravest.what + more
    raise gravest.error(what, where=gravest.where, remedy=remedy)

"""The one error of all floors: a value that says what, where and what to do next.

It prints as one line, `<where>: <what>; <remedy>`. Nobody takes that line apart again: whoever
needs a part of it reads the field. Each class has its exit code.
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
    """Base of every error that is raised on purpose.

    Args:
        what: what is wrong, without the place.
        where: the path or the name that it is about.
        remedy: what to do next.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.PROBLEMS
    explanation = ""
    """More details, printed after the line."""

    code = ""
    """The stable id of the doctor's check that finds the same fault, if there is one."""

    def __init__(self, what: str, *, where: str | os.PathLike[str] = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = os.fspath(where)
        self.remedy = remedy

    def __str__(self) -> str:
        return one_sentence(self.where, self.what, self.remedy)

    @property
    def complaint(self) -> str:
        """The error without its place, for callers that name it themselves."""
        return one_sentence("", self.what, self.remedy)

    @property
    def fault(self) -> Fault:
        """The error as a value, to be collected with others."""
        return Fault(
            where=self.where, what=self.what, remedy=self.remedy, error=type(self), code=self.code
        )

    def move(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> None:
        """Replace the temporary path `old` by `new` in the error."""
        before, after = os.fspath(old), os.fspath(new)
        self.where, self.what, self.remedy = (
            text.replace(before, after) for text in (self.where, self.what, self.remedy)
        )


class UsageError(SdcoremlError):
    """The arguments do not fit together."""

    exit_code = ExitCode.USAGE


class BadInputError(SdcoremlError):
    """The input is damaged, incomplete, or not what it claims to be."""

    exit_code = ExitCode.BAD_INPUT


class UnsupportedError(BadInputError):
    """The input is sound, but neither this tool nor its target can run it."""


class UnsafePickleError(SdcoremlError):
    """A pickle names something that has no place in a checkpoint. Nothing was executed."""

    exit_code = ExitCode.UNSAFE


class NoSpaceError(SdcoremlError):
    """The disk is full, or would be."""

    exit_code = ExitCode.NO_SPACE


class ParityError(SdcoremlError):
    """A written program does not compute what its torch module computes."""

    exit_code = ExitCode.WRONG_NUMBERS


class WorkerError(SdcoremlError):
    """The child process inside the built environment failed or died; `log` is what it printed."""

    exit_code = ExitCode.CHILD_DIED

    def __init__(
        self, what: str, *, where: str | os.PathLike[str] = "", remedy: str = "", log: str = ""
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.log = log


class FetchError(SdcoremlError):
    """A model given by name cannot be fetched: no network, or no access."""


class LockfileError(SdcoremlError):
    """A toolchain or a lock is missing, damaged or does not serve this machine."""


class UnknownToolchainError(LockfileError):
    """No toolchain has the name that was typed."""

    exit_code = ExitCode.USAGE


class VersionError(LockfileError, ValueError):
    """A text is not a version, or not a range of versions."""


class EnvError(SdcoremlError):
    """An environment cannot be built or used."""


class NoInterpreterError(EnvError):
    """There is no Python here that the toolchain accepts."""


class InstallError(EnvError):
    """The installer could not bring a package, or what it brought is not what was locked."""


class UnreachableError(InstallError):
    """The package index cannot be reached."""


class NoOpinionError(EnvError):
    """A second opinion could not be obtained, which says nothing about the lock."""


class BrokenError(EnvError):
    """An environment does not work, or is not what its seal says."""


class ArchiveError(EnvError):
    """A file is not an exported environment, is damaged, or is for another machine."""

    exit_code = ExitCode.BAD_INPUT


class UnableError(SdcoremlError):
    """The doctor says that this machine cannot do it; the message is the first of the reasons."""


class NoRoomError(UnableError):
    """Only the disk stands in the way."""

    exit_code = ExitCode.NO_SPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of an input, and the class of its error.

    `code` is the stable id of the doctor's check that finds it, if one does.
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
        """The fault as an error."""
        error = self.error(self.what, where=self.where, remedy=self.remedy)
        error.code = self.code
        return error

    def at(self, where: str | os.PathLike[str]) -> Fault:
        """The same fault at another place."""
        return replace(self, where=os.fspath(where))


def one_sentence(where: str | os.PathLike[str], what: str, remedy: str) -> str:
    """`<where>: <what>; <remedy>`, without empty parts."""
    return (f"{os.fspath(where)}: " if where else "") + what + (f"; {remedy}" if remedy else "")


def raise_first(faults: Sequence[Fault]) -> None:
    """Raise the gravest of `faults` (unsafe before damaged), saying how many more there are."""
    if not faults:
        return
    gravest = max(faults, key=lambda fault: fault.error.exit_code)
    rest = len(faults) - 1
    more = f" (and {rest} more: `sdcoreml inspect MODEL` lists them)" if rest else ""
    remedy = gravest.remedy + more if gravest.remedy else ""
    what = gravest.what if gravest.remedy else gravest.what + more
    raise gravest.error(what, where=gravest.where, remedy=remedy)

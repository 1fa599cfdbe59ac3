"""A fault found in an input: a value, so that many can be collected before any is raised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convert.errors import BadInputError, ConvertError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: where, what, what to do next, and the error it amounts to."""

    path: Path
    what: str
    next: str
    error: type[ConvertError] = BadInputError

    @classmethod
    def of(cls, error: ConvertError, path: Path) -> Fault:
        """The fault that `error` reports about `path`.

        Every message of this house reads `<path>: <what>; <what to do next>`.
        """
        what, _, remedy = str(error).removeprefix(f"{path}: ").rpartition("; ")
        return cls(path=path, what=what or remedy, next=remedy if what else "", error=type(error))

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" + (f"; {self.next}" if self.next else "")


def raise_first(faults: Sequence[Fault]) -> None:
    """Raise the gravest of `faults` (unsafe before damaged), saying how many more there are."""
    if not faults:
        return
    gravest = max(faults, key=lambda fault: fault.error.exit_code)
    more = f" (and {len(faults) - 1} more: sdcoreml inspect lists them)" if len(faults) > 1 else ""
    raise gravest.error(f"{gravest}{more}")


def ended_early(path: Path, tensor: str) -> BadInputError:
    """The error for a file that lost its end while it was read."""
    return BadInputError(
        f"{path}: the file ended while tensor {tensor!r} was read; something changed it meanwhile,"
        " try again"
    )

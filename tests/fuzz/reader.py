"""What a reader under test is: commands for inputs, and the exit codes that are allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

from sdcoreml.ground.errors import ExitCode, SdcoremlError
from tests.fuzz.places import PlaceMutation

FINE = frozenset(
    {
        ExitCode.FINE,
        ExitCode.PROBLEMS,
        ExitCode.USAGE,
        ExitCode.BAD_INPUT,
        ExitCode.UNSAFE,
        ExitCode.NO_SPACE,
    }
)
"""The exit codes that a mutated input may cause; not among them are bugs and interruptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A command for one input; `aims` are patterns of the paths that are mutated.

    `by` are the mutations that are chosen from; those that suit the path if there are none. An
    `ordinary` user runs the command, even if root runs the harness.
    """

    input: str
    words: tuple[str, ...]
    aims: tuple[str, ...] = ("work/**/*",)
    by: tuple[PlaceMutation, ...] = ()
    ordinary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A command under test, with its inputs.

    `share` is how many inputs it gets, in proportion to the other readers. `made` are paths that a
    successful run may leave or change. `patch` makes the fork stop where it would start a child in
    the built environment.
    """

    name: str
    share: int
    attempts: tuple[Attempt, ...]
    made: frozenset[str] = frozenset()
    patch: Callable[[], None] | None = None


class StandIn:
    """A `Runner` that ends a conversion at its first task, when the host has read all its files."""

    def run(self, *_: object, **__: object) -> NoReturn:
        """Raise an error, instead of running a task."""
        raise SdcoremlError("the stand-in does not work")


def stop_at_work() -> None:
    """Give `convert` and `verify` a fake environment, which ends them when they use it."""
    from sdcoreml.doctor.commands import convert, verify
    from sdcoreml.lockfiles.toolchain import load_toolchain
    from tests.convert.stand_ins import MADE_IN

    here = (load_toolchain("tested"), SimpleNamespace(python=Path("/gone"), path=Path()))
    for module, name, value in (
        (convert, "choose_environment", lambda *_: here),
        (convert, "provenance", lambda *_: MADE_IN),
        (convert, "require_able", lambda *_: None),
        (convert, "Worker", lambda **_: StandIn()),
        (verify, "EnvironmentOnDemand", lambda **_: StandIn()),
    ):
        setattr(module, name, value)


def each(words: tuple[str, ...], *inputs: tuple[str, str], aims: str = "") -> tuple[Attempt, ...]:
    """Return an attempt with this command for each input, whose path is its last argument."""
    return tuple(
        Attempt(
            input=name,
            words=(*words, path),
            aims=(aims,) if aims else (f"work/{path}", f"work/{path}/**/*"),
        )
        for name, path in inputs
    )


PLAN = ("convert", "--plan", "-o", "out")

"""What a pipeline needs of the programs of a folder, whoever runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.ground.errors import BadInputError

Shapes: TypeAlias = "Mapping[str, tuple[int, ...]]"


class Programs(Protocol):
    """The programs of a folder: an interpreter, Core ML, or an invented one in tests."""

    def inputs(self, name: str) -> Shapes:
        """Return the inputs of a program and their shapes; none if there is no such program."""
        ...

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        """Run a program."""
        ...


class FolderPrograms(Programs, Protocol):
    """Programs whose outputs are known before they are run."""

    def outputs(self, name: str) -> tuple[str, ...]:
        """Return the names of a program's outputs."""
        ...


def run_checked(
    programs: Programs, name: str, feeds: Mapping[str, Singles]
) -> Mapping[str, Singles]:
    """Run a program with inputs of the shapes that it declares.

    Raises:
        BadInputError: it declares others, so that the app could not run it either.
    """
    declared = programs.inputs(name)
    for port, value in feeds.items():
        if port not in declared:
            raise BadInputError(f"{name} has no input {port}", remedy=_AGAIN)
        if tuple(declared[port]) != value.shape:
            raise BadInputError(
                f"{name} takes {port} as {list(declared[port])}, and the app sends"
                f" {list(value.shape)}",
                remedy=_AGAIN,
            )
    if missing := declared.keys() - feeds.keys():
        raise BadInputError(
            f"{name} takes {', '.join(sorted(missing))}, which no app sends", remedy=_AGAIN
        )
    return programs.run(name, feeds)


def run_single(programs: Programs, name: str, value: Singles) -> Singles:
    """Run a program that has one input and one output; the app does not look at their names."""
    ports = list(programs.inputs(name))
    if len(ports) != 1:
        raise BadInputError(f"{name} has {len(ports)} inputs, not one", remedy=_AGAIN)
    (output,) = run_checked(programs, name, {ports[0]: value}).values()
    return output


_AGAIN = "convert the model again"

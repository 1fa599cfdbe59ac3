"""A `.mlpackage` as something to run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.storage.package import Program, open_program


@contextmanager
def open_package(path: Path) -> Iterator[Executable]:
    """The main function of the package at `path`, ready to run.

    Raises:
        BadInputError: not a package, or damaged.
        UnsupportedError: its model is not an ML Program.
    """
    with open_program(path) as program:
        yield executable(program)


def executable(program: Program) -> Executable:
    """The function of an open package, named by its path in errors."""
    return Executable(
        function=program.function, storage=program.storage, label=os.fspath(program.path)
    )

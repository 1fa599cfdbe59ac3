"""The base of an environment, into which packages are installed: a venv or a conda prefix.

A build treats both kinds alike, through the protocol `Base`. `VENV` and `CONDA` are their names on
the command line.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import Choice
from sdcoreml.lockfiles.toolchain import MARK, Toolchain

VENV = "venv"
CONDA = "conda"
BACKENDS = (VENV, CONDA)


class Base(Protocol):
    """Makes the empty environment into which packages are installed."""

    @property
    def brings_sources(self) -> bool:
        """True if the base puts Python sources (the standard library) into an environment."""

    @property
    def size(self) -> int:
        """The approximate number of bytes that the base adds to an environment."""

    def answering(self) -> Path:
        """Return a Python that exists already, with which to inspect the installer's cache."""

    def identity(self) -> tuple[str, ...]:
        """Return what identifies the base; the environment's key is computed from it."""

    def choice(self, final: Path) -> Choice:
        """Return the interpreter of an environment that will be at `final`."""

    def create(self, folder: Path, final: Path) -> None:
        """Make an environment without packages in `folder`, which will be moved to `final`."""

    def record_fields(self) -> dict[str, str]:
        """Return the fields of `envs.kept.store.Environment` that describe the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenvBase:
    """A venv: the environment links to a Python of this machine."""

    chosen: Choice
    brings_sources: bool = False
    size: int = 0

    def answering(self) -> Path:
        """Return the path of the chosen Python."""
        return self.chosen.interpreter.path

    def identity(self) -> tuple[str, ...]:
        """Return the version and path of the chosen Python."""
        found = self.chosen.interpreter
        return found.version, os.fspath(found.path)

    def choice(self, final: Path) -> Choice:  # noqa: ARG002  it is the same wherever that is
        """Return the Python that was chosen for the venv."""
        return self.chosen

    def create(self, folder: Path, final: Path) -> None:  # noqa: ARG002  it survives a move
        """Make a venv in `folder` that links to the chosen Python."""
        venv.create(folder, self.chosen.interpreter)

    def record_fields(self) -> dict[str, str]:
        """Return no fields: a venv's record names its interpreter in any case."""
        return {}


def name_of(toolchain: Toolchain, backend: str) -> str:
    """Return the name of the link that points to a toolchain's environment in use.

    Users' own toolchains may be called alike, so their links have a mark, as `mine@1a2b3c4d`.
    """
    name = toolchain.conda.name if backend == CONDA else toolchain.name
    return f"{name}{MARK}{toolchain.mark}" if toolchain.mark else name

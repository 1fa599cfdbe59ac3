"""The base that packages are installed on: a Python of this machine, or conda's.

A build asks its base for three things and never knows which kind it has. `VENV` and `CONDA` are
the names by which people ask for one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import Choice
from sdcoreml.lockfiles.toolchain import Toolchain

VENV = "venv"
CONDA = "conda"
BACKENDS = (VENV, CONDA)


class Base(Protocol):
    """The base of an environment."""

    @property
    def brings_sources(self) -> bool:
        """Whether it puts Python sources of its own into an environment."""

    @property
    def size(self) -> int:
        """Approximate bytes that it adds to an environment."""

    def answering(self) -> Path:
        """A Python that can say, before anything is made, what the installer's cache holds."""

    def identity(self) -> tuple[str, ...]:
        """The parts of it that an environment's name depends on."""

    def choice(self, final: Path) -> Choice:
        """The interpreter of an environment that will be in `final`."""

    def create(self, folder: Path, final: Path) -> None:
        """Make an environment without packages in `folder`, which will be moved to `final`."""

    def recorded(self) -> dict[str, str]:
        """What the record of an environment says of it: fields of `envs.kept.store.Environment`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenvBase:
    """A Python of this machine, to which the environment links."""

    chosen: Choice
    brings_sources: bool = False
    size: int = 0

    def answering(self) -> Path:
        """The one that was chosen."""
        return self.chosen.interpreter.path

    def identity(self) -> tuple[str, ...]:
        """Its version and place."""
        found = self.chosen.interpreter
        return found.version, os.fspath(found.path)

    def choice(self, final: Path) -> Choice:  # noqa: ARG002  it is the same wherever that is
        """The one that was chosen."""
        return self.chosen

    def create(self, folder: Path, final: Path) -> None:  # noqa: ARG002  it survives a move
        """Link to it."""
        venv.create(folder, self.chosen.interpreter)

    def recorded(self) -> dict[str, str]:
        """Nothing beyond the interpreter."""
        return {}


def name_of(toolchain: Toolchain, backend: str) -> str:
    """The name under which a store keeps the environment of a toolchain that is in use."""
    return toolchain.conda.name if backend == CONDA else toolchain.name

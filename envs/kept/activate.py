"""Runs a user's command inside an environment: its programs first, none of the Python settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import EnvError

_DROPPED = frozenset(
    {
        *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"),
    }
)


def activate(environment: Environment, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The user's variables, changed so that commands and imports come from the environment.

    Bytecode is not written: what is imported is compiled already, and a stray would break the seal.
    """
    kept = {key: value for key, value in environ.items() if key not in _DROPPED}
    path = os.pathsep.join((str(environment.path / "bin"), environ.get("PATH", os.defpath)))
    place = {"VIRTUAL_ENV": str(environment.path)}
    if environment.conda:
        place = {"CONDA_PREFIX": str(environment.path), "CONDA_DEFAULT_ENV": environment.name}
    return kept | place | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}


def run(environment: Environment, command: Sequence[str]) -> NoReturn:
    """Become the command, inside the environment. Raises `EnvError` when it cannot be started."""
    variables = activate(environment)
    try:
        # Not execvpe with os.environ's PATH: the command is looked up where the child would.
        os.execvpe(command[0], list(command), variables)  # noqa: S606  the user's own command
    except OSError as error:
        raise EnvError(
            f"{error.strerror}",
            where=command[0],
            remedy=f"it is looked for in {environment.path / 'bin'} and on PATH",
        ) from None


def shell(environment: Environment) -> NoReturn:
    """Become the user's shell, inside the environment."""
    run(environment, [os.environ.get("SHELL", "/bin/sh")])

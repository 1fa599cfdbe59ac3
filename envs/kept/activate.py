"""Runs a user's command in an environment: its `bin` first on PATH, PYTHON* variables unset."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.users import use
from sdcoreml.ground.errors import EnvError

_DROPPED = frozenset(
    {
        *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"),
    }
)


def activate(environment: Environment, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the user's variables, changed so that programs and imports come from the environment.

    Python is told to write no bytecode: all modules are compiled already, and a new file would
    break the seal.
    """
    kept = {key: value for key, value in environ.items() if key not in _DROPPED}
    path = os.pathsep.join((str(environment.path / "bin"), environ.get("PATH", os.defpath)))
    place = {"VIRTUAL_ENV": str(environment.path)}
    if environment.conda:
        place = {"CONDA_PREFIX": str(environment.path), "CONDA_DEFAULT_ENV": environment.name}
    return kept | place | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}


def run(environment: Environment, command: Sequence[str]) -> NoReturn:
    """Replace this process by the command, run in the environment.

    Raises:
        EnvError: the command cannot be started.
    """
    variables = activate(environment)
    with use(environment.path) as held:
        for handle in held:
            os.set_inheritable(handle, True)  # noqa: FBT003  the command is a user for as long as it runs
        _become(environment, command, variables)


def _become(
    environment: Environment, command: Sequence[str], variables: Mapping[str, str]
) -> NoReturn:
    try:
        # execvpe would search our own PATH; the command must be found on the environment's PATH.
        os.execvpe(command[0], list(command), dict(variables))  # noqa: S606  the user's own command
    except OSError as error:
        raise EnvError(
            f"{error.strerror}",
            where=command[0],
            remedy=f"it is looked for in {environment.path / 'bin'} and on PATH",
        ) from None


def shell(environment: Environment) -> NoReturn:
    """Replace this process by the user's shell, run in the environment."""
    run(environment, [os.environ.get("SHELL", "/bin/sh")])

"""Which kind of environment a command is about: one word for the whole command line, as TOOLCHAIN.

`make` hands its variables on in the environment, so that one choice holds for env, convert, verify
and doctor alike.
"""

from __future__ import annotations

import os

from sdcoreml.envs.building.base import BACKENDS, VENV
from sdcoreml.ground.errors import UsageError


def asked_backend(named: str = "") -> str:
    """The backend that is named, else `$BACKEND`, else "venv".

    Raises:
        UsageError: there is none of that name.
    """
    backend = named or os.environ.get("BACKEND") or VENV
    if backend not in BACKENDS:
        raise UsageError(
            f"BACKEND={backend}: no such backend", remedy=f"there are: {', '.join(BACKENDS)}"
        )
    return backend

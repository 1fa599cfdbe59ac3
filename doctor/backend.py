"""Which kind of environment a command is about: one word for the whole command line, as TOOLCHAIN.

`make` hands its variables on in the environment, so that one choice holds for env, convert, verify
and doctor alike.
"""

from __future__ import annotations

import os

from doctor.errors import UsageError
from envs.base import BACKENDS, VENV


def asked_backend(named: str = "") -> str:
    """The backend that is named, else `$BACKEND`, else "venv".

    Raises:
        UsageError: there is none of that name.
    """
    backend = named or os.environ.get("BACKEND") or VENV
    if backend not in BACKENDS:
        raise UsageError(f"BACKEND={backend}: no such backend; there are: {', '.join(BACKENDS)}")
    return backend

"""Selects the environment for a command: its toolchain and its backend.

`make` exports its variables to the environment, so one choice applies to env, convert, verify and
doctor.
"""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path

from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.envs.building.base import BACKENDS, VENV
from sdcoreml.envs.mirrors.configuration import find_toolchain
from sdcoreml.ground.advice import command
from sdcoreml.ground.errors import UsageError


def add_toolchain(parser: argparse.ArgumentParser) -> None:
    """Declare `--toolchain`."""
    text = "name of a toolchain, or the path of its folder (default: `env use`, or tested)"
    parser.add_argument("--toolchain", metavar="NAME", default=default_toolchain(), help=text)


def default_toolchain() -> str:
    """Return `$TOOLCHAIN`, else the user's own choice for the current folder, else "tested"."""
    with suppress(FileNotFoundError):  # the current folder may be gone
        return os.environ.get("TOOLCHAIN") or find_toolchain(Path.cwd())[0] or DEFAULT_TOOLCHAIN
    return DEFAULT_TOOLCHAIN


def say_again(args: argparse.Namespace, toolchain: str) -> str:
    """Return the user's command with another toolchain, for use in a message."""
    verb, *words = args.typed
    while "--toolchain" in words:
        at = words.index("--toolchain")
        del words[at : at + 2]
    kept = (word for word in words if not word.startswith("--toolchain="))
    return command(verb, *kept, "--toolchain", toolchain)


def choose_backend(named: str = "") -> str:
    """Return the given backend, else `$BACKEND`, else "venv".

    Raises:
        UsageError: no backend has that name.
    """
    backend = named or os.environ.get("BACKEND") or VENV
    if backend not in BACKENDS:
        known = f"there are: {', '.join(BACKENDS)}"
        other = "; `sdcoreml convert MODEL --converter upstream` has Apple's converter do it"
        raise UsageError(
            f"BACKEND={backend}: no such backend",
            remedy=known + (other if backend == "upstream" else ""),
        )
    return backend

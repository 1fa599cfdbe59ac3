"""Selects the environment for a command: its toolchain and its backend.

`make` exports its variables to the environment, so one choice applies to env, convert, verify and
doctor.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.envs.building.base import BACKENDS, VENV
from sdcoreml.envs.mirrors.configuration import find_toolchain
from sdcoreml.ground.advice import command
from sdcoreml.ground.errors import UnknownToolchainError, UsageError
from sdcoreml.lockfiles.toolchain import FILE, find_folder


def add_toolchain(parser: argparse.ArgumentParser) -> None:
    """Declare `--toolchain`; its default is looked for once the options are parsed.

    So a damaged configuration does not keep anybody from `--help`, nor from naming another one.
    """
    text = "name of a toolchain, or the path of its folder (default: `env use`, or tested)"
    parser.add_argument("--toolchain", metavar="NAME", default="", type=_read_name, help=text)


def _read_name(text: str) -> str:
    return text or default_toolchain()


def default_toolchain() -> str:
    """Return `$TOOLCHAIN`, else the user's own choice for the current folder, else "tested".

    Raises:
        LockfileError: the user's configuration is damaged, or the recorded toolchain is gone.
    """
    if named := os.environ.get("TOOLCHAIN"):
        return named
    try:
        name, folder = find_toolchain(Path.cwd())
    except FileNotFoundError:  # the current folder is gone
        return DEFAULT_TOOLCHAIN
    if not name:
        return DEFAULT_TOOLCHAIN
    if not _is_there(name):
        raise UnknownToolchainError(
            f"no toolchain, and it was recorded for {folder} by `sdcoreml env use`",
            where=name,
            remedy="run `sdcoreml env use tested`, or name another one",
        )
    return name


def _is_there(name: str) -> bool:
    try:
        return (find_folder(name) / FILE).is_file()
    except UnknownToolchainError:
        return False


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

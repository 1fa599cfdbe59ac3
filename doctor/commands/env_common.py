"""Options and look-ups that several actions of `sdcoreml env` share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcoreml.doctor.core.backend import choose_backend, default_toolchain
from sdcoreml.envs.building.base import BACKENDS, name_of
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.mirrors.mirror import CHANNEL, mirror_of
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.places import as_path, environments_folder
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain, toolchain_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action of `sdcoreml env`, such as `build` or `verify`."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def toolchain_option(
    parser: argparse.ArgumentParser, default: str = "what `env use` recorded, or tested"
) -> None:
    """Declare `--toolchain`; `default` says what is meant without it."""
    text = (
        f"{', '.join(toolchain_names())}, one of your own, or the path of its folder"
        f" (default: {default})"
    )
    parser.add_argument("--toolchain", metavar="NAME", default=argparse.SUPPRESS, help=text)


def source_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options for the source of packages and for the installer."""
    add, hidden = parser.add_argument, argparse.SUPPRESS
    add("--installer", choices=("uv", "pip"), default=hidden, help="default: uv if there is one")
    index_option(parser)
    add("--find-links", type=as_path, metavar="FOLDER", default=hidden, help="wheels, no network")
    channel_option(parser)


def index_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--index`."""
    text = "a mirror of the package index (default: $UV_DEFAULT_INDEX, $PIP_INDEX_URL, or pip's)"
    parser.add_argument("--index", metavar="URL", default=argparse.SUPPRESS, help=text)


def environment_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--toolchain` and `--backend`, which select an environment."""
    toolchain_option(parser)
    text = "what it is built on: a Python of this machine, or conda's (default: venv)"
    parser.add_argument("--backend", choices=BACKENDS, default=argparse.SUPPRESS, help=text)


def channel_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--channel`."""
    text = "name or URL of the conda channel (default: $SDCOREML_CHANNEL, or conda-forge)"
    parser.add_argument("--channel", metavar="NAME", default=argparse.SUPPRESS, help=text)


def read_backend(args: argparse.Namespace) -> str:
    """Return the requested backend: `--backend`, else `$BACKEND`, else "venv"."""
    return choose_backend(read_option(args, "backend", ""))


def read_channel(args: argparse.Namespace) -> str:
    """Return the requested conda channel; "" for the toolchain's own."""
    return mirror_of(CHANNEL, read_option(args, "channel", "")).address


def read_source(args: argparse.Namespace) -> PackageSource:
    """Return the requested source of packages."""
    return PackageSource(
        index=read_option(args, "index", ""),
        wheels=read_option(args, "find_links"),
        channel=read_channel(args),
    )


def read_option(args: argparse.Namespace, option: str, default: Any = None) -> Any:  # noqa: ANN401  as argparse
    """Return the value of an option, or `default` if it was not given."""
    return getattr(args, option, default)


def read_toolchain(args: argparse.Namespace) -> Toolchain:
    """Load the requested toolchain: `--toolchain`, else the default of the current folder."""
    return load_toolchain(read_option(args, "toolchain") or default_toolchain())


def read_toolchain_in_use(args: argparse.Namespace) -> Toolchain:
    """Load the requested toolchain, as the variant whose environment is in use, if any is."""
    from sdcoreml.envs.building.variants import in_use

    toolchain = read_toolchain(args)
    return in_use(toolchain, read_backend(args)) or toolchain


def require_environment(args: argparse.Namespace) -> Environment:
    """Return the requested environment, even a damaged one; raise `EnvError` if there is none."""
    name = name_of(read_toolchain(args), read_backend(args))
    found = store.read(name, environments_folder() / name)
    if found is None:
        raise EnvError(
            "no environment built", where=environments_folder() / name, remedy="run `sdcoreml env`"
        )
    return found


def shorten(path: Path) -> str:
    """Return a path, relative to the current folder if that is shorter."""
    here = Path.cwd()
    return os.fspath(path.relative_to(here)) if path.is_relative_to(here) else os.fspath(path)

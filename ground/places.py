"""Paths of this project itself."""

from __future__ import annotations

import argparse
import os
from errno import ENAMETOOLONG
from pathlib import Path

import sdcoreml
from sdcoreml.ground.errors import UsageError

PACKAGE = Path(sdcoreml.__file__).resolve().parent
"""The folder that is imported as `sdcoreml`."""

ROOT = PACKAGE.parent
"""The folder that holds it: the checkout, or somebody's site-packages."""


def is_checkout() -> bool:
    """Whether this is a clone, with its Makefile, and not an installed wheel."""
    return (ROOT / "Makefile").is_file() and (ROOT / "envs" / "bootstrap.sh").is_file()


def environments_folder() -> Path:
    """The folder of all environments.

    `$SDCOREML_ENVS`; else `.envs` in a checkout; else, for an installed wheel, in the user's data
    folder: nothing is written into site-packages.
    """
    if named := os.environ.get("SDCOREML_ENVS"):
        return expand_home(named).absolute()
    if is_checkout():
        return ROOT / ".envs"
    from platformdirs import user_data_dir  # an installed wheel has it, a bare clone need not

    try:
        data = user_data_dir("sdcoreml", appauthor=False)
    except RuntimeError:  # an older one leaves the `~` there
        data = "~"
    if data.startswith("~"):
        raise UsageError(
            "no home folder is known for this user", remedy="say where with SDCOREML_ENVS=/a/folder"
        )
    return Path(data) / "envs"


def home_folder() -> Path:
    """The user's home folder; if none is known, as in a container, a path that cannot exist."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull, "home")


def expand_home(text: str) -> Path:
    """A path as the user typed it, with `~` or `~name` replaced by the home folder.

    zsh leaves the `~` of `OUT=~/models` alone, and so do quotes.

    Raises:
        UsageError: it is empty, as an unset variable of a script is, and pathlib would take it for
            the current folder; or no home folder is known for it: a path that begins with `~` is
            never made.
    """
    if not text:
        raise UsageError("a path is empty", remedy="the current folder is .")
    expanded = os.path.expanduser(text)  # noqa: PTH111  pathlib takes ./~ for ~
    if expanded.startswith("~"):
        raise UsageError(
            "no home folder is known for it", where=text, remedy=f"a file of that name is ./{text}"
        )
    return Path(expanded)


def can_exist(path: Path) -> bool:
    """Whether this path could exist, or is too long for any disk.

    `Path.exists` and its like raise an error of such a name instead of answering.
    """
    try:
        path.stat()
    except OSError as error:
        return error.errno != ENAMETOOLONG
    return True


def as_path(text: str) -> Path:
    """Convert a command-line argument to a path; the `type` of all path arguments.

    Raises:
        argparse.ArgumentTypeError: as `expand_home` does.
    """
    try:
        return expand_home(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

"""The folders of this project, and paths as users type them."""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import sdcoreml
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.files import refusal
from sdcoreml.ground.refusals import DENIED

PACKAGE = Path(sdcoreml.__file__).resolve().parent
"""The folder that is imported as `sdcoreml`."""

ROOT = PACKAGE.parent
"""The folder that contains `PACKAGE`: the checkout, or site-packages."""


def is_checkout() -> bool:
    """Return True in a clone, which has the Makefile, and False in an installed wheel."""
    return (ROOT / "Makefile").is_file() and (ROOT / "envs" / "bootstrap.sh").is_file()


def environments_folder() -> Path:
    """Return the folder of all environments.

    `$SDCOREML_ENVS`; else `.envs` in a checkout; else, for an installed wheel, in the user's data
    folder: nothing is written into site-packages.

    Raises:
        UsageError: the variable does not name a folder, or the home folder is unknown.
    """
    if named := os.environ.get("SDCOREML_ENVS"):
        folder = expand_home(named).absolute()
        if can_exist(folder) and folder.exists() and not folder.is_dir():
            raise UsageError(
                "is not a folder",
                where=f"SDCOREML_ENVS={named}",
                remedy="name a folder, or unset it",
            )
        return folder
    if is_checkout():
        return ROOT / ".envs"
    return user_folder("SDCOREML_ENVS", "data", "envs")


def user_folder(variable: str, kind: Literal["cache", "data", "state"], *below: str) -> Path:
    """Return the folder that a variable names, else one in the user's own of this kind.

    Raises:
        UsageError: the home folder is unknown, or what the variable names can never be opened.
    """
    if named := os.environ.get(variable):
        return expand_home(named).absolute()
    import platformdirs  # an installed wheel has it, a bare clone need not

    find: Mapping[str, Callable[..., str]] = {
        "cache": platformdirs.user_cache_dir,
        "data": platformdirs.user_data_dir,
        "state": platformdirs.user_state_dir,
    }
    try:
        found = find[kind]("sdcoreml")
    except RuntimeError:  # an older one leaves the `~` there
        found = "~"
    if found.startswith("~"):
        raise UsageError(
            "no home folder is known for this user", remedy=f"say where with {variable}=/a/folder"
        )
    return Path(found, *below)


def home_folder() -> Path:
    """Return the user's home folder; a path that cannot exist if it is unknown (in containers)."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull, "home")


def expand_home(text: str) -> Path:
    """Convert a typed path, replacing `~` or `~name` by the home folder.

    The shell may have left the `~` for us: zsh does in `OUT=~/models`, and any shell in quotes.

    Raises:
        UsageError: the text is empty (as from an unset shell variable; pathlib would take it for
            the current folder), or the home folder is unknown: we never make a path that begins
            with `~`.
        BadInputError: links on the way lead in a circle, or a folder on it may not be entered.
    """
    if not text:
        raise UsageError("a path is empty", remedy="the current folder is .")
    expanded = os.path.expanduser(text)  # noqa: PTH111  pathlib takes ./~ for ~
    if expanded.startswith("~"):
        raise UsageError(
            "no home folder is known for it", where=text, remedy=f"a file of that name is ./{text}"
        )
    return _require_reachable(Path(expanded))


_DEEPEST = 256
"""The most parts of a path, since pathlib makes and walks folders recursively."""

_UNREACHABLE = frozenset({errno.ELOOP, *DENIED})


def _require_reachable(path: Path) -> Path:
    """Return the path; raise an error now if it can never be opened."""
    if len(path.parts) > _DEEPEST:
        what = f"more than {_DEEPEST} folders within each other"
        raise BadInputError(what, where=path, remedy="give another path")
    try:
        path.lstat()
        path.stat()
    except ValueError as error:
        raise refusal(error, path) from None
    except OSError as error:
        if error.errno in _UNREACHABLE:
            raise refusal(error, path, remedy="give another path") from None
    return path


def can_exist(path: Path) -> bool:
    """Return False if no file system could hold this path, for example because it is too long.

    `Path.exists` and similar methods raise an error for such a path instead of returning False.
    """
    try:
        path.stat()
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True


def as_path(text: str) -> Path:
    """Convert a command-line argument to a path: the argparse `type` of all path arguments.

    Raises:
        argparse.ArgumentTypeError: where `expand_home` raises `UsageError`.
    """
    try:
        return expand_home(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

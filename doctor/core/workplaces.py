"""The folders that the tool writes to, in which killed runs leave files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.leftovers import sweep
from sdcoreml.ground.places import environments_folder

RESULTS = "models"
"""The folder, in the current one, that `sdcoreml convert` writes to by default."""

BUILD = "build"
"""The folder for the sample."""


def workplaces() -> tuple[Path, ...]:
    """The current folder, those in it, the store of environments and the temporary folder."""
    here = Path.cwd()
    folders = [here, here / RESULTS, here / BUILD, Path(tempfile.gettempdir())]
    with suppress(UsageError):  # no home is known
        folders.append(environments_folder())
    return tuple(dict.fromkeys(folders))


def sweep_workplaces(say: Callable[[str], None]) -> None:
    """Removes leftovers of killed runs, before a run writes to the same folders."""
    for part in (part for folder in workplaces() for part in sweep(folder)):
        say(f"removed what an interrupted run left: {part}")

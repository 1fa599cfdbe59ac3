"""Removes the leftovers of killed runs from all folders to which the tool writes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sdcoreml.convert.deliver.mochi import find_mochi, is_there
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.leftovers import sweep
from sdcoreml.ground.places import environments_folder, home_folder

RESULTS = "models"
"""The subfolder of the current folder to which `sdcoreml convert` writes by default."""

BUILD = "build"
"""The folder of the sample model."""


def workplaces() -> tuple[Path, ...]:
    """Return the folders to which the tool writes unasked, and Mochi Diffusion's, for --install."""
    here = Path.cwd()
    folders = [here, here / RESULTS, here / BUILD, Path(tempfile.gettempdir())]
    with suppress(UsageError):  # no home is known
        folders.append(environments_folder())
    mochi = find_mochi(home_folder())
    folders += [folder for folder in (mochi.models, mochi.nets) if is_there(folder)]
    return tuple(dict.fromkeys(folders))


def sweep_workplaces(say: Callable[[str], None]) -> None:
    """Remove the leftovers of killed runs, before this run writes to the same folders."""
    for part in (part for folder in workplaces() for part in sweep(folder)):
        say(f"removed what an interrupted run left: {part}")

"""Where this project itself lies on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import sdcoreml

PACKAGE = Path(sdcoreml.__file__).resolve().parent
"""The folder that is imported as `sdcoreml`."""

ROOT = PACKAGE.parent
"""The folder that holds it: the checkout, or somebody's site-packages."""


def environments_folder() -> Path:
    """The folder of all environments: `$SDCOREML_ENVS`, or `.envs` in this checkout."""
    named = os.environ.get("SDCOREML_ENVS")
    return Path(named).absolute() if named else ROOT / ".envs"

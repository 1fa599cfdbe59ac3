"""Finds Mochi Diffusion's folders of models and ControlNets, as the app itself finds them.

The app keeps the folders that its user chose in its preferences, under `ModelDir` and
`ControlNetDir`, and takes those below the home folder where nothing is set (ConfigStore.swift,
ModelRepository.swift and FileSystemStore.swift of MochiDiffusion 6.0 and of its branch `develop`;
the domain of the preferences is that of the app's bundle). Tested with preferences written here:
no Mac was at hand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.files import Document, read_bytes

PREFERENCES = "Library/Preferences/com.joshua-park.Mochi-Diffusion.plist"
MODELS, NETS = "MochiDiffusion/models", "MochiDiffusion/controlnet"
"""The app's default folders, below the home folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MochiFolders:
    """Where Mochi Diffusion looks for models and for ControlNets; which its user chose."""

    models: Path
    nets: Path
    models_chosen: bool = False
    nets_chosen: bool = False


def is_there(folder: Path) -> bool:
    """Whether a folder is there and may be seen; any name may be in the preferences."""
    try:
        return folder.is_dir()
    except OSError:
        return False


def find_mochi(home: Path) -> MochiFolders:
    """Return the folders of the Mochi Diffusion of the user whose home folder is `home`.

    Preferences that cannot be read count as none, as they do for the app.
    """
    said = _preferences(home / PREFERENCES)
    models, nets = said.get("ModelDir"), said.get("ControlNetDir")
    return MochiFolders(
        models=_folder(models, home / MODELS),
        nets=_folder(nets, home / NETS),
        models_chosen=_is_path(models),
        nets_chosen=_is_path(nets),
    )


def _folder(said: object, usual: Path) -> Path:
    return Path("/", f"{said}") if _is_path(said) else usual


def _is_path(said: object) -> bool:
    return isinstance(said, str) and said != "" and "\0" not in said


def _preferences(path: Path) -> Mapping[str, object]:
    if not os.path.lexists(path):
        return {}
    import plistlib  # which most machines have no file for

    try:
        found = plistlib.loads(read_bytes(path, Document.SETTINGS))
    except Exception:  # noqa: BLE001  a damaged file makes plistlib stumble in a dozen ways
        return {}
    return found if isinstance(found, dict) else {}

"""Explains why a model's files are missing, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sdcoreml.convert.models.files import CONFIG_NAME, SUFFIXES, find_weights
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, Fault
from sdcoreml.ground.files import Document

FOREIGN: Mapping[str, str] = {
    ".gguf": "GGUF",
    ".h5": "TensorFlow's HDF5 format",
    ".msgpack": "Flax's format",
    ".onnx": "ONNX",
    ".onnx_data": "ONNX",
    ".xml": "OpenVINO's format",
}
"""Maps suffixes of weight files that cannot be read here to the names of their formats."""

DOWNLOAD = "download the model again, with all its files"
_UNFINISHED = frozenset({".aria2", ".crdownload", ".download", ".incomplete", ".part", ".tmp"})


def explain_absence(folder: Path, name: str = "") -> tuple[str, str] | None:
    """Return why `folder` has no weights (or no file `name`, if given), and the remedy.

    Returns `None` if nothing in the folder explains it.
    """
    names = [path.name for path in sorted(folder.iterdir())] if folder.is_dir() else []
    for other in names:
        stem, _, suffix = other.rpartition(".")
        wanted = stem.lstrip(".")
        is_it = wanted == name if name else Path(wanted).suffix.lower() in SUFFIXES
        if suffix == "icloud" and is_it:
            what = f"{wanted} is stored in iCloud only: the folder has just {other}"
            return what, "open the folder in Finder and choose Download Now, or use brctl download"
        if f".{suffix}" in _UNFINISHED and (is_it or not name):
            return f"an unfinished download: {other}", "let it finish, or begin it again"
    for other in [] if name else names:
        if found := FOREIGN.get(Path(other).suffix.lower()):
            what = f"its weights are only in {found} ({other}), which cannot be read here"
            return what, "download the same model's safetensors files"
    return None


_SHOWN = 4


def weight_files(folder: Path) -> list[Path]:
    """Return the files in `folder` that have the suffix of a weight file."""
    if not folder.is_dir():
        return []
    found = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES)
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


def explain_folder(path: Path, index: str) -> tuple[str, str] | None:
    """Explain what a folder or file without `index` (model_index.json) is, and give the remedy."""
    if (path / "snapshots").is_dir():
        what = "this is a cache folder of the hub, which has the model in a snapshot"
        found = sorted((path / "snapshots").glob(f"*/{index}"))
        return what, f"give {found[-1].parent}" if found else "download the model again"
    if (path / index).is_symlink():
        return (
            f"{index} is a link to a missing file",
            "download the model again, with all its files",
        )
    return explain_absence(path, index) if path.is_dir() else None


def suggest_folder(path: Path, index: str) -> str:
    """Suggest a path to give instead: the model inside `path`, or the model that contains it."""
    if below := sorted(path.glob(f"*/{index}")) if path.is_dir() else []:
        return f"give the model in it: {below[0].parent}"
    if path.is_dir() and ((above := path.resolve().parent) / index).is_file():
        return f"give the model that it lies in: {above}"
    if files := weight_files(path):
        which = "the file" if len(files) == 1 else "one of the files"
        return f"give {which} in it: {', '.join(file.name for file in files[:_SHOWN])}"
    if found := weight_files_below(path):
        shown = ", ".join(str(file.relative_to(path)) for file in found[:_SHOWN])
        return f"give one of the files below it: {shown}"
    return "give the folder of a diffusers model"


def weight_files_below(folder: Path) -> list[Path]:
    """List the weight files in subfolders, where other programs' model folders keep them."""
    found: list[Path] = []
    if folder.is_dir() and not (folder / "snapshots").is_dir():
        for place in sorted(folder.iterdir()):
            with suppress(OSError):  # a folder of somebody else's
                found += weight_files(place)
    return found


def explain_config(folder: Path) -> Fault:
    """Return the fault of a component's folder that has no config, or something in its place."""
    path = folder / CONFIG_NAME
    if os.path.lexists(path):
        try:
            read_object(path, Document.CONFIG, remedy=DOWNLOAD)
        except BadInputError as error:
            return error.fault
    missing = f"{CONFIG_NAME} is missing"
    foreign = None if find_weights(folder) else explain_absence(folder)
    what, remedy = explain_absence(folder, CONFIG_NAME) or foreign or (missing, DOWNLOAD)
    return Fault(where=folder, what=what, remedy=remedy)

"""Recognises what is Core ML already: a program, a folder or repository of them, or a zip file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE
from sdcoreml.convert.bundle.facts import is_coreml
from sdcoreml.convert.models.files import INDEX_NAME
from sdcoreml.convert.weights.zip_directory import list_names

FINISHED = "Core ML"
"""What is reported as the form of a path that is already converted."""

_SUFFIXES = (COMPILED, PACKAGE)
_DEPTH = 3
"""How many levels below a repository's root are searched.

Apple's repositories have programs at `split_einsum/compiled/Unet.mlmodelc`.
"""
_MOST = 2000
"""The largest number of folder entries to look at, so that a search of a whole disk ends soon."""


def is_finished(path: Path) -> bool:
    """Whether `path` is already Core ML and holds nothing to convert."""
    if path.is_file() and path.suffix in (".mlmodel", ".zip"):
        return path.suffix == ".mlmodel" or _is_in_zip(path)
    if (path / INDEX_NAME).is_file():
        return False
    return is_coreml(path) or any(name.endswith(_SUFFIXES) for name in _names_below(path))


def _is_in_zip(path: Path) -> bool:
    return any(part.endswith(_SUFFIXES) for name in list_names(path) for part in name.split("/"))


def _names_below(path: Path) -> Iterator[str]:
    """Yield the names of folders below `path`, nearest first.

    `_DEPTH` and `_MOST` limit the search, which also ends at the index file of a model folder.
    """
    level, seen = [path], 0
    for _ in range(_DEPTH):
        below: list[Path] = []
        for folder in level:
            for entry in _entries(folder):
                seen += 1
                if seen > _MOST or entry.name == INDEX_NAME:
                    return
                if entry.is_dir(follow_symlinks=False):
                    yield entry.name
                    below.append(Path(entry.path))
        level = below


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []

"""Compares a work tree with a commit: missing, changed and extra files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from sdcoreml.envs.upstream.objects import Entry, name_object, read_regular

_EXECUTABLE = 0o100


def differences(folder: Path, files: Mapping[str, Entry]) -> tuple[str, ...]:
    """Return the paths that are missing, changed, or not in the commit, sorted.

    A folder that the commit lacks is listed once, with a slash at its end.
    """
    folders = {path[: at + 1] for path in files for at, letter in enumerate(path) if letter == "/"}
    wrong = [path for path, entry in files.items() if not _is_as_written(folder / path, entry)]
    return tuple(sorted((*wrong, *_extras(folder, "", files, folders))))


def _is_as_written(path: Path, entry: Entry) -> bool:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(entry.mode):
            return stat.S_ISLNK(mode) and _is_blob(os.fsencode(path.readlink()), entry)
    except OSError:
        return False
    if stat.S_ISLNK(mode) or bool(mode & _EXECUTABLE) != bool(entry.mode & _EXECUTABLE):
        return False
    content = read_regular(path)
    return content is not None and _is_blob(content, entry)


def _is_blob(content: bytes, entry: Entry) -> bool:
    return name_object("blob", content) == entry.blob


def _extras(
    folder: Path, above: str, files: Mapping[str, Entry], folders: set[str]
) -> Iterator[str]:
    """Yield the files in the folder that are not in the commit, except the repository itself."""
    with os.scandir(folder) as entries:
        for found in entries:
            path = f"{above}{found.name}"
            if path == ".git" or path in files:
                continue
            if not found.is_dir(follow_symlinks=False):
                yield path
            elif f"{path}/" in folders:
                yield from _extras(folder / found.name, f"{path}/", files, folders)
            else:
                yield f"{path}/"

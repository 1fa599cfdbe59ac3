"""Keeps foreign files, which users or apps put into a finished folder, in a new conversion.

Mochi Diffusion puts links to its ControlNets into the folder, Apple's package needs the ControlNets
themselves in `controlnet/`, and people add notes. A new result keeps all such files. If it cannot
keep one, the conversion is refused, and the error names the file.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE
from sdcoreml.convert.bundle.tokenizer import MERGES, VOCAB
from sdcoreml.convert.jobs.manifest import MARKER, read_manifest
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.ground.digest import sha256
from sdcoreml.ground.errors import BadInputError, Fault, raise_first
from sdcoreml.ground.outputs import is_finders, link_tree
from sdcoreml.ground.tree import walk

APART = "move it out of the folder, or choose another --output"
UNREADABLE = "choose another --output, or move this folder away"
"""The remedy when an unreadable manifest stops a conversion: converting again would stop, too."""


def foreign_names(folder: Path) -> tuple[str, ...]:
    """List everything in a finished folder, or in its programs, that no conversion wrote.

    Paths are relative to the folder, with slashes. A subfolder that no conversion wrote is listed
    only by its own name. Files that the Finder leaves inside a program are ignored.

    Raises:
        BadInputError: the folder's manifest is not ours, so foreign files cannot be told from ours.
    """
    ours = _list_written(folder)
    tops = {name.partition("/")[0] for name in ours}
    return tuple(_strangers(folder, ours, tops))


def _list_written(folder: Path) -> frozenset[str]:
    try:
        manifest = read_manifest(folder)
    except BadInputError as error:
        error.remedy = UNREADABLE
        raise
    programs = manifest.programs.values()
    words = () if CONTROLNET in {entry.component for entry in programs} else (VOCAB, MERGES)
    return frozenset(
        {
            *(MARKER, *words, *manifest.answers, *manifest.report),
            *(name for entry in programs for name in entry.files),
        }
    )


def _strangers(folder: Path, ours: frozenset[str], tops: set[str]) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name not in tops:
            if path.is_dir() and not path.is_symlink():
                deque(walk(path), maxlen=0)  # what is too deep to be kept is refused
            yield path.name
        elif path.is_dir() and not path.is_symlink():
            for place, folders, files in walk(path):
                links = [name for name in folders if (Path(place) / name).is_symlink()]
                for name in sorted([*files, *links]):
                    inside = (Path(place) / name).relative_to(folder).as_posix()
                    if inside not in ours and not is_finders(name):
                        yield inside


def require_room_for(names: tuple[str, ...], folder: Path) -> None:
    """Raise `BadInputError` for foreign files that a new result could not keep in place.

    These are programs, which apps might load instead of ours, and files inside our own programs.
    """
    faults = []
    for name in names:
        if "/" in name:
            faults.append(
                Fault(
                    where=folder / name,
                    what="a foreign file inside a program that is about to be replaced",
                    remedy=APART,
                )
            )
        elif name.endswith((COMPILED, PACKAGE)):
            what = "this is from another conversion, and apps may load it instead of the new one"
            faults.append(Fault(where=folder / name, what=what, remedy=APART))
    raise_first(faults)


def carry_over(old: Path, new: Path) -> None:
    """Link every foreign file of the finished folder `old` into `new`.

    Files are hard-linked, or copied if the disk does not support hard links; symbolic links stay
    symbolic links.

    Raises:
        BadInputError: a foreign file cannot be kept, or `new` has a file of the same name.
        OSError: the disk is full or not writable.
    """
    names = foreign_names(old)
    require_room_for(names, old)
    taken = [name for name in names if os.path.lexists(new / name)]
    raise_first(
        [
            Fault(
                where=old / name,
                what="has the name of a file that the conversion writes",
                remedy=APART,
            )
            for name in taken
        ]
    )
    for name in names:
        link_tree(old / name, new / name)


def rescue(left: Path, folder: Path) -> None:
    """Restore to `folder` the foreign files of `left`, an older result that a killed run put aside.

    Raises:
        BadInputError: `folder` has a different file of the same name; both files stay.
    """
    remedy = f"move what you need out of {left}, and delete it"
    for name in foreign_names(left):
        if not os.path.lexists(folder / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            link_tree(left / name, folder / name)
        elif not _is_same(left / name, folder / name):
            raise BadInputError(
                f"an interrupted run left a different file of this name in {left.name}",
                where=folder / name,
                remedy=remedy,
            )


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are equal: files by content, links by target, folders recursively."""
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    if one.is_dir() and other.is_dir():
        return all(
            os.path.lexists(other / path.name) and _is_same(path, other / path.name)
            for path in one.iterdir()
        )
    return one.samefile(other) or (
        one.is_file() and other.is_file() and sha256(one) == sha256(other)
    )

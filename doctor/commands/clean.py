"""`sdcoreml clean`: removes leftovers of interrupted runs, and caches, but no models or results.

Any later run also removes leftovers of killed runs that it finds.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.doctor.core.workplaces import workplaces
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.leftovers import BUILDING, find_leftovers, sweep
from sdcoreml.ground.outputs import files_in
from sdcoreml.ground.places import as_path, environments_folder
from sdcoreml.ground.quantity import amount
from sdcoreml.ground.tree import walk

CACHES = {
    "packages": re.compile(r".+\.(conda|tar\.bz2)"),
    "clip-vocabulary": re.compile(r"vocab\.json|merges\.txt"),
}
"""Folders beside the environments with downloads that can be repeated, and their files' names.

A folder with any other file is left alone: SDCOREML_ENVS may name one of the user's own folders.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removable:
    """A file or folder to remove: its description, path and size in bytes."""

    what: str
    path: Path
    size: int


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folders",
        nargs="*",
        type=as_path,
        metavar="FOLDER",
        help="also clean this folder, to which you converted models",
    )
    parser.add_argument("--dry-run", action="store_true", help="only list what would be removed")


def run(args: argparse.Namespace) -> int:
    """List leftovers and caches, and remove them unless --dry-run is given."""
    for folder in args.folders:
        if not folder.is_dir():
            raise UsageError("no such folder", where=folder, remedy="give a folder that exists")
    store = environments_folder()
    found = [*leftovers([*workplaces(), *args.folders]), *of_store(store)]
    if not found:
        print("nothing to remove: no leftovers of earlier runs, and no caches")
        return 0
    if not args.dry_run:
        remove(found, store)
    for one in found:
        print(f"{one.what}  {amount(one.size):>7}  {one.path}")
    total = sum(one.size for one in found)
    print(f"{'would be removed' if args.dry_run else 'removed'}: {amount(total)}")
    return 0


def leftovers(folders: Iterable[Path]) -> Iterator[Removable]:
    """Yield leftovers that no process has locked, each once."""
    found = dict.fromkeys(part for folder in folders for part in find_leftovers(folder.resolve()))
    for part in found:
        yield Removable(what="left  ", path=part, size=size_of(part))


def of_store(store: Path) -> Iterator[Removable]:
    """Yield interrupted builds and caches in the folder of environments, if we may remove them."""
    if not os.access(store, os.W_OK):
        return
    for path in sorted(store.glob(f"{BUILDING}*")):
        yield Removable(what="left  ", path=path, size=size_of(path))
    for name, ours in CACHES.items():
        folder = store / name
        if folder.is_dir() and all(ours.fullmatch(Path(file).name) for file in files_in(folder)):
            yield Removable(what="cache ", path=store / name, size=size_of(store / name))


def remove(found: Iterable[Removable], store: Path) -> None:
    """Remove everything listed; lock the folder of environments while removing in it."""
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.kept import store as kept

    inside = [one.path for one in found if one.path.parent == store]
    for folder in {one.path.parent for one in found} - {store}:
        sweep(folder)
    if inside:
        with draw() as emit, kept.hold_lock(store, emit):
            for path in inside:
                if path.exists():
                    kept.remove(path)


def size_of(path: Path) -> int:
    """Return the size of a file, or of all files in a folder, in bytes."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    return sum(
        os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118  many thousands
        for place, _, names in walk(path)
        for name in names
    )

"""Protects existing files: an output replaces only files and folders that are known to be ours.

A link is followed, so that it stays a link. Devices, FIFOs and sockets are refused: renaming a file
over `/dev/null` would break the whole machine. A folder is refused if it contains anything besides
the output of an earlier run; the error names the first such file.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import open_regular
from sdcoreml.ground.tree import walk

_KINDS = {
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}
ELSEWHERE = "choose another name or remove it"


def find_place(target: Path) -> Path:
    """Return the path to write for `target`: the end of a link, else `target` itself.

    Raises:
        BadInputError: `target` is a device, a named pipe, a socket, a broken link, or a path
            without a name, such as `.`.
    """
    if target.name in {"", ".."}:
        raise BadInputError(
            "an output needs a name", where=target, remedy="give one, such as ./out"
        )
    try:
        kind = stat.S_IFMT(target.stat().st_mode)
    except (
        OSError
    ):  # the writer reports why; but do not make folders for a link to an unmounted disk
        if target.is_symlink():
            raise BadInputError(
                f"is a link to {target.readlink()}, which leads nowhere",
                where=target,
                remedy="remove the link, or make what it points to",
            ) from None
        return target
    if kind in _KINDS:
        raise BadInputError(
            f"is {_KINDS[kind]}; outputs are files and folders",
            where=target,
            remedy="choose another name",
        )
    return Path(os.path.realpath(target)) if target.is_symlink() else target


def require_beginning(target: Path, head: bytes, what: str) -> None:
    """Refuse to replace a file that does not begin with `head`, as all our files of kind `what` do.

    Raises:
        BadInputError: the file begins otherwise; or as `find_place`.
    """
    place = find_place(target)
    if not place.is_file() or not place.stat().st_size:
        return
    with open_regular(place) as stream:
        found = stream.read(len(head))
    if found != head:
        raise BadInputError(f"exists and is no {what}", where=target, remedy=ELSEWHERE)


def require_known(old: Path, new: Path) -> None:
    """Refuse to replace the folder `old` if it contains a file that `new` lacks.

    Raises:
        BadInputError: names the first such file, and how many more there are.
    """
    require_none(old, [name for name in files_in(old) if not os.path.lexists(new / name)])


def require_none(folder: Path, strangers: list[str]) -> None:
    """Refuse to replace `folder` if it has `strangers`: foreign files, given as relative paths.

    Raises:
        BadInputError: names the first one, and how many more there are.
    """
    if not strangers:
        return
    first, *rest = strangers
    more = f" (and {len(rest)} more)" if rest else ""
    raise BadInputError(
        f"was not written by an earlier run, and would be lost{more}",
        where=folder / first,
        remedy="move it out of the folder, or choose another output",
    )


def files_in(folder: Path) -> Iterator[str]:
    """Yield every file and link below a folder as sorted relative paths, without the Finder's."""
    found = []
    for place, folders, files in walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        found += [(Path(place) / name).relative_to(folder) for name in (*files, *links)]
    yield from sorted(path.as_posix() for path in found if not is_finders(path.name))


def is_finders(name: str) -> bool:
    """Return True for names of files that the macOS Finder writes by itself."""
    return name == ".DS_Store" or name.startswith("._")


def link_tree(source: Path, target: Path) -> None:
    """Hard-link a file, link or folder to `target`, or copy it if the disk has no hard links.

    Raises:
        OSError: the disk is full or not writable.
    """
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir()
        for path in source.iterdir():
            link_tree(path, target / path.name)
        shutil.copystat(source, target)
    else:
        try:
            target.hardlink_to(source)
        except OSError:  # exFAT has no hard links, and another user's file may not allow them
            shutil.copy2(source, target)

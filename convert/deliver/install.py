"""Puts finished folders where an app looks for them: copied aside, then renamed.

Files become clones, which share the blocks of the result, where the file system can, and copies
elsewhere, each compared with its source. Weights that several programs or folders share stay
shared; without clones they are shared with earlier installed folders, too, once their bytes were
read. A folder of another model is never replaced, and what Mochi Diffusion or its user put into an
older one of the same model stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.bundle.contract import PACKAGE
from sdcoreml.convert.deliver.contents import Contents, is_assembled_alike, is_same_model
from sdcoreml.convert.deliver.mochi import is_there
from sdcoreml.convert.jobs.foreign import carry_over
from sdcoreml.convert.jobs.intact import recorded
from sdcoreml.convert.jobs.manifest import MARKER, Manifest, read_manifest
from sdcoreml.convert.weights.clone import Placement, clone, copy
from sdcoreml.ground.aside import folder_aside, require_space, sole_maker
from sdcoreml.ground.digest import FileRecord, describe, sha256
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import refusal
from sdcoreml.ground.outputs import files_in, find_place
from sdcoreml.ground.refusals import translate_os_errors

ANOTHER = "choose another --name, or move that one away"

_OF_OTHER_FILES = "is a model of that name already, made of other files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What was put in place: its path, and how; `way` is `None` if it was there already."""

    path: Path
    way: Placement | None


@dataclass(slots=True, kw_only=True)
class Installer:
    """Installs folders; what files of them share on the disk, their copies share, too."""

    emit: Emit
    _copies: dict[tuple[int, int], Path] = field(default_factory=dict)
    _beside: dict[Path, Mapping[FileRecord, Path]] = field(default_factory=dict)

    def install(self, contents: Contents, place: Path) -> Installed:
        """Put a finished folder, or its one program, into the folder `place`.

        Raises:
            BadInputError: something else has its name there, or a file changed meanwhile.
            BusyError: another process installs the same.
            NoSpaceError: the disk is full, or would be; of what is incomplete nothing is left.
        """
        target = place / name_of(contents)
        with sole_maker(target):
            if is_installed(contents, target):
                return Installed(path=target, way=None)
            _require_same(target, contents)
            self.emit(Event(kind="step", text=f"install {target}"))
            made: dict[tuple[int, int], Path] = {}
            with folder_aside(target, MARKER, carry_over) as folder:
                way = self._fill(folder, contents, target, made)
            self._copies |= {inode: target / path for inode, path in made.items()}
        return Installed(path=target, way=way)

    def _fill(
        self, folder: Path, contents: Contents, target: Path, made: dict[tuple[int, int], Path]
    ) -> Placement:
        """Copy the files into `folder`; `made` gets the relative path of each inode's copy."""
        way = Placement.CLONED
        for name, record in contents.files.items():
            source, path = contents.folder / name, folder / _inner(contents, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            inode = _inode(source)
            twin = folder / made[inode] if inode in made else self._copies.get(inode)
            if twin and _link(twin, path):
                continue
            made.setdefault(inode, path.relative_to(folder))
            if clone(source, path):
                continue
            if way is Placement.CLONED:
                require_space(target, self._needs(contents, target.parent))
            way = Placement.COPIED
            if not self._link_to_installed(record, target.parent, path):
                copy(source, path)
        return way

    def _needs(self, contents: Contents, place: Path) -> int:
        """Return the bytes that copies take, less what is there already, and shared ones once."""
        there = self._installed(place)
        found = {
            _inode(contents.folder / name): record.size
            for name, record in contents.files.items()
            if record not in there
        }
        return sum(found.values())

    def _link_to_installed(self, record: FileRecord, place: Path, target: Path) -> bool:
        """Link to a large file that is installed already, if it still has the wanted content."""
        found = self._installed(place).get(record)
        try:
            return found is not None and sha256(found) == record.sha256 and _link(found, target)
        except BadInputError:  # gone, or not readable
            return False

    def _installed(self, place: Path) -> Mapping[FileRecord, Path]:
        """Map the records of large files in the finished folders in `place` to their paths."""
        if place not in self._beside:
            self._beside[place] = dict(_large_files(place))
        return self._beside[place]


LARGE = 1 << 20
"""The smallest file, in bytes, that is worth linking to."""


def _large_files(place: Path) -> Iterator[tuple[FileRecord, Path]]:
    for manifest in sorted(place.glob(f"[!.]*/{MARKER}")):
        try:
            files = recorded(read_manifest(manifest.parent))
        except BadInputError:
            continue
        for name, record in files.items():
            path = manifest.parent / name
            if record.size >= LARGE and path.is_file() and not path.is_symlink():
                yield record, path


def _inode(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise refusal(error, path, remedy="install it again") from None
    return status.st_dev, status.st_ino


def name_of(contents: Contents) -> str:
    """Return the name that a folder is installed by; a program alone is installed by its own."""
    if contents.is_bare:
        return next(iter(contents.files)).partition("/")[0]
    return contents.folder.resolve().name


def _inner(contents: Contents, name: str) -> str:
    return name.partition("/")[2] if contents.is_bare else name


def _link(source: Path, target: Path) -> bool:
    """Make a hard link; nobody writes to an installed file."""
    try:
        os.link(source, target)
    except OSError:  # not on this disk, or gone meanwhile
        return False
    return True


def is_installed(contents: Contents, target: Path) -> bool:
    """Whether `target` has just these files.

    Of a model's folder the manifest, which has the digests of all others, and the sizes are
    compared; what else is in it is its app's or its user's. A program alone, which has no manifest,
    is hashed, and a file more makes it another.
    """
    files = {name: target / _inner(contents, name) for name in contents.files}
    try:
        if any(path.stat().st_size != contents.files[name].size for name, path in files.items()):
            return False
        if contents.is_bare:
            wanted = {_inner(contents, name) for name in files}
            if wanted != {*files_in(target)}:
                return False
        else:
            files = {MARKER: files[MARKER]}
        found = describe(files)
    except (OSError, BadInputError):
        return False
    return all(_same(found[name], contents.files[name]) for name in found)


def _same(one: FileRecord, other: FileRecord) -> bool:
    return one.sha256 == other.sha256


def require_free(
    target: Path, model: str, made_from: Mapping[str, object] | None = None, *, is_bare: bool
) -> None:
    """Refuse to put `model` where something else is already, before its files are read.

    `made_from` is the manifest's record of what it will be assembled from, `None` if that is not
    known yet. Two models of one name may still differ: `Installer.install` compares their files.

    Raises:
        BadInputError: `target` is there, and is not a folder that was made of the model.
    """
    other = _find_other(target, is_bare=is_bare)
    if other is None:
        return
    if other.model.name != model:
        what = f"is a model of that name already, made of {other.model.name} and not of {model}"
        raise BadInputError(what, where=target, remedy=ANOTHER)
    if made_from is not None and not is_assembled_alike(other.model.made_from, made_from):
        raise BadInputError(_OF_OTHER_FILES, where=target, remedy=ANOTHER)


def _require_same(target: Path, contents: Contents) -> None:
    """Refuse to replace what is no earlier result of just this model, whatever its options."""
    require_free(target, contents.manifest.model.name, is_bare=contents.is_bare)
    other = _find_other(target, is_bare=contents.is_bare)
    if other and not is_same_model(other, contents.manifest):
        raise BadInputError(_OF_OTHER_FILES, where=target, remedy=ANOTHER)


def _find_other(target: Path, *, is_bare: bool) -> Manifest | None:
    """Return the manifest of what is at `target`, `None` if that is free."""
    with translate_os_errors(target):
        place = find_place(target)
        if not place.exists() or (place.is_dir() and not any(place.iterdir())):
            return None
    if is_bare:
        what = "another package" if target.suffix == PACKAGE else "another ControlNet"
        raise BadInputError(f"{what} has this name", where=target, remedy=ANOTHER)
    try:
        return read_manifest(place)
    except BadInputError:
        what = "sdcoreml did not make what has this name there"
        raise BadInputError(what, where=target, remedy=ANOTHER) from None


def require_home(place: Path, *, chosen: bool, may_make: bool) -> None:
    """Refuse an app's folder that is not there or may not be written to.

    Without a choice of its user the app itself makes it: then it is made, if `may_make`.

    Raises:
        BadInputError: nothing can be put there.
    """
    if is_there(place):
        if not os.access(place, os.W_OK | os.X_OK):
            raise BadInputError("may not be written to", where=place, remedy="see who owns it")
        return
    if chosen:
        raise BadInputError(
            "Mochi Diffusion's folder, as set in the app, is not there",
            where=place,
            remedy="connect its disk, or choose another in the app's settings",
        )
    if not may_make:
        raise BadInputError(
            "Mochi Diffusion's folder is not on this machine",
            where=place,
            remedy="leave --install out, and copy the result to the Mac, or make that folder",
        )

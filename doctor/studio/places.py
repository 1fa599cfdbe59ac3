"""The machine's own folders, as the page lists them: choosing from a listing copies nothing."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.facts import is_coreml
from sdcoreml.convert.deliver.mochi import find_mochi
from sdcoreml.convert.models.files import INDEX_NAME, SUFFIXES
from sdcoreml.convert.models.identify import identify_path
from sdcoreml.convert.sources.find import folders_here
from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.refusals import AbsentError
from sdcoreml.doctor.studio.wording import Text, say
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.places import home_folder
from sdcoreml.ground.refusals import DENIED

MOST = 2_000
"""The most entries of a folder that are listed."""

BUDGET = 0.4
"""Seconds that a listing may take to say what its models are; the others are listed by name."""

_VOLUMES: Mapping[str, tuple[str, ...]] = {
    "darwin": ("/Volumes",),
    "linux": ("/media", "/run/media", "/mnt"),
}
"""Where disks are mounted: each folder in one of these is a place to begin at."""

_HIDES_USERS = frozenset({"/media", "/run/media"})
"""Folders that have a folder for each user, and the disks in that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An entry of a folder: `kind` is "folder" or "model"; `what` says what a model is."""

    path: Path
    kind: str
    size: int | None = None
    what: Text = ""

    def as_data(self, signer: Signer) -> Mapping[str, object]:
        """Convert it for the page."""
        return {
            "handle": signer.sign(self.path),
            "name": shown(self.path),
            "kind": self.kind,
            "size": self.size,
            "what": self.what or None,
        }


def list_folder(
    folder: Path, signer: Signer, clock: Callable[[], float] = time.monotonic
) -> Mapping[str, object]:
    """List the folders and models in a folder; hidden ones are left out, and other files.

    Raises:
        AbsentError: it is no folder, or may not be read.
    """
    items, is_cut = _read(folder)
    until = clock() + BUDGET
    told = (_with_kind(item) if clock() < until else item for item in items)
    return {
        "handle": signer.sign(folder),
        "name": shown(folder),
        "parents": [
            {"handle": signer.sign(one), "name": shown(one)} for one in reversed(folder.parents)
        ],
        "items": [item.as_data(signer) for item in told],
        "is_cut": is_cut,
    }


def list_roots(signer: Signer) -> Mapping[str, object]:
    """List where a search for a model begins: home, disks, and the folders of other programs."""
    items = [Item(path=path, kind="folder", what=what) for path, what in roots()]
    return {
        "handle": None,
        "name": "",
        "parents": [],
        "items": [item.as_data(signer) for item in items],
        "is_cut": False,
    }


def roots(system: str = sys.platform) -> Iterator[tuple[Path, Text]]:
    """Yield the places to begin at, each once, with what it is in words."""
    home, here, sources = home_folder(), list[Path](), tuple[Path, ...]()
    with suppress(SdcoremlError):
        sources = tuple(folders_here())
    with suppress(OSError):  # somebody has removed it
        here.append(Path.cwd())
    mochi = find_mochi(home)
    places = (
        (home, say("place.home")),
        (home / "Downloads", say("place.downloads")),
        *((one, say("place.here")) for one in here),
        *((one, say("place.others")) for one in sources),
        (mochi.models, say("place.mochi")),
        *((one, say("place.disk")) for one in _volumes(system)),
    )
    seen: set[str] = set()
    for path, what in places:
        with suppress(OSError):
            real = os.path.realpath(path)
            if real not in seen and path.is_dir():
                seen.add(real)
                yield path, what


def _volumes(system: str) -> Iterator[Path]:
    for place in _VOLUMES.get(system, ()):
        found = _folders_in(Path(place))
        if place in _HIDES_USERS:
            found = (disk for user in found for disk in _folders_in(user))
        yield from found


def _folders_in(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(path for path in folder.iterdir() if path.is_dir())


def shown(path: Path) -> str:
    """Return a path's last part as text: bytes that are no UTF-8 are replaced."""
    return os.fsencode(path.name or path).decode("utf-8", "replace")


def short(path: Path) -> str:
    """Return a path as text, with the home folder as `~`."""
    home = home_folder()
    is_below = path == home or home in path.parents
    text = os.path.join("~", path.relative_to(home)) if is_below else os.fspath(path)  # noqa: PTH118
    return os.fsencode(text).decode("utf-8", "replace").removesuffix("/.")


def _read(folder: Path) -> tuple[list[Item], bool]:
    """Return the entries, folders first, and whether some are left out."""
    try:
        with os.scandir(folder) as entries:
            named = sorted(
                (entry for entry in entries if not entry.name.startswith(".")),
                key=lambda entry: entry.name.casefold(),
            )
    except (OSError, ValueError) as error:
        denied = isinstance(error, OSError) and error.errno in DENIED
        raise AbsentError(
            "may not be read" if denied else "this folder is not there any more",
            where=shown(folder),
            remedy="allow it in the system's settings for privacy" if denied else "go back",
        ) from None
    found = [item for item in map(_item, named) if item]
    models = [item for item in found if item.kind == "model"]
    folders = [item for item in found if item.kind == "folder"]
    room = MOST - min(len(models), MOST // 2)  # thousands of the ones do not hide the others
    return [*folders[:room], *models][:MOST], len(found) > MOST


def _item(entry: os.DirEntry[str]) -> Item | None:
    path = Path(entry.path)
    try:
        status = entry.stat()
    except OSError:
        return None  # a link that leads nowhere, or a file that went meanwhile
    if stat.S_ISDIR(status.st_mode):
        is_model = path.suffix in (".mlmodelc", ".mlpackage") or (path / INDEX_NAME).is_file()
        return Item(path=path, kind="model" if is_model else "folder")
    if stat.S_ISREG(status.st_mode) and path.suffix.lower() in SUFFIXES:
        return Item(path=path, kind="model", size=status.st_size)
    return None


def _with_kind(item: Item) -> Item:
    """Return the entry with what it is, by its headers; a folder may turn out to be a model."""
    if item.kind == "folder":
        with suppress(OSError):
            if is_coreml(item.path):
                return Item(path=item.path, kind="model", what=say("place.coreml"))
        return item
    try:
        contents = identify_path(item.path).contents
    except (OSError, SdcoremlError):
        return item
    words = [contents.kind.value]
    if contents.family.value != "unknown":
        words.append(contents.family.value)
    return Item(path=item.path, kind="model", size=item.size, what=", ".join(words))

"""The hub's own cache: finds a model's files in it, and adds files to it.

Its layout is documented by the hub: `blobs/` holds files under their hashes, `snapshots/COMMIT/`
links to them under their paths, `refs/` says which commit a branch was at. Whatever is brought is
so found by every other program of the hub, and what those brought is found here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sdcoreml.convert.hub.access import Access, library
from sdcoreml.convert.hub.listing import NEWEST, HubFile, Listing, licence_of
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.transfer import Wanted
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.digest import sha256
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.refusals import translate_os_errors

CARD = "README.md"
_COMMIT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The folder of one model in the hub's cache, and its files at one commit."""

    access: Access
    listing: Listing

    @property
    def folder(self) -> Path:
        """The folder of all its commits."""
        return self.access.cache / self.listing.folder_name

    def place(self, path: str) -> Path:
        """Where a file of the commit is linked."""
        return self.folder / "snapshots" / self.listing.commit / path

    def blob(self, file: HubFile) -> Path:
        """Where its content is."""
        return self.folder / "blobs" / file.blob

    def find(self, path: str) -> Path | None:
        """A file that is here, in its full length."""
        place, size = self.place(path), self.listing.files[path].size
        with suppress(OSError):
            if place.stat().st_size == size:
                return place
        return None

    def here(self) -> Mapping[str, Path]:
        """All files that are here, by their paths in the model."""
        found = {path: self.find(path) for path in self.listing.files}
        return {path: place for path, place in found.items() if place}

    def is_damaged(self, path: str) -> bool:
        """Whether a file that is here has another content than the hub states."""
        stated = self.listing.files[path].sha256
        return bool(stated) and sha256(self.place(path)) != stated

    def discard(self, path: str) -> None:
        """Throw a damaged file away."""
        place = self.place(path)
        with translate_os_errors(place):
            place.resolve().unlink(missing_ok=True)
            place.unlink(missing_ok=True)

    def choose_target(self, path: str) -> Wanted:
        """The source and target for downloading a file."""
        file, listing = self.listing.files[path], self.listing
        locks = self.access.cache / ".locks" / listing.folder_name
        address = f"{self.access.hub}/{listing.name.repo}/resolve/{listing.commit}/{quote(path)}"
        return Wanted(
            url=address,
            target=self.blob(file),
            lock=locks / f"{file.blob}.lock",
            size=file.size,
            sha256=file.sha256,
            git="" if file.sha256 else file.git,
            token=self.access.hub_token,
        )

    def link(self, path: str) -> Path:
        """Link a file that was brought under its path, as the hub's programs do."""
        place, blob = self.place(path), self.blob(self.listing.files[path])
        with translate_os_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            with suppress(FileExistsError):  # somebody else linked it just now
                place.symlink_to(os.path.relpath(blob, place.parent))
        return place

    def remember(self) -> None:
        """Note which commit the branch is at, for those who ask without a network."""
        revision = self.listing.name.revision or NEWEST
        if revision == self.listing.commit:
            return
        ref = self.folder / "refs" / revision
        with translate_os_errors(ref):
            ref.parent.mkdir(parents=True, exist_ok=True)
            write_text(ref, self.listing.commit)


def list_cached(name: HubName, access: Access) -> Listing | None:
    """The model's files in the cache at its revision; `None` if there are none."""
    blank = Listing(name=name, commit="", files={})
    folder = access.cache / blank.folder_name
    commit = _commit(folder, name.revision or NEWEST)
    snapshot = folder / "snapshots" / commit
    if not commit or not snapshot.is_dir():
        return None
    files = {}
    for place in sorted(snapshot.rglob("*")):
        if place.is_file():
            path = place.relative_to(snapshot).as_posix()
            files[path] = _file(path, place)
    card = snapshot / CARD
    licence = _licence(card) if card.is_file() else ""
    return Listing(name=name, commit=commit, files=files, licence=licence)


def _commit(folder: Path, revision: str) -> str:
    """The commit of a revision according to the cache, or ""."""
    ref = folder / "refs" / revision
    if ref.is_file():
        return read_text(ref, Document.CONFIG).strip()
    known = sorted(path.name for path in (folder / "snapshots").glob(f"{revision}*"))
    return known[0] if len(known) == 1 and len(known[0]) == _COMMIT else ""


def _file(path: str, place: Path) -> HubFile:
    """A file of the cache; the name of a large one's blob is its SHA-256."""
    blob = place.resolve().name
    is_sha256 = len(blob) == len(_SHA256)
    return HubFile(
        path=path,
        size=place.stat().st_size,
        sha256=blob if is_sha256 else "",
        git="" if is_sha256 else blob,
    )


_SHA256 = "0" * 64


def _licence(card: Path) -> str:
    try:
        data = library().ModelCard(read_text(card, Document.TEXT)).data
    except Exception:  # noqa: BLE001  a page that somebody wrote by hand
        return ""
    return licence_of(data.to_dict())

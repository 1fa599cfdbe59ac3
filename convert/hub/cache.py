"""Finds a model's files in the hub's own cache, and adds files to it.

The hub documents the cache's layout: `blobs/` holds files named by their hashes,
`snapshots/COMMIT/` has a link to each under its path in the model, and `refs/` records the commit
of each branch. So other programs find what was downloaded here, and the other way round.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sdcoreml.convert.hub.access import Access, library
from sdcoreml.convert.hub.listing import NEWEST, HubFile, Listing, licence_of
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.selection import WITH_WEIGHTS, have_weights
from sdcoreml.convert.hub.transfer import Wanted
from sdcoreml.convert.models.files import INDEX_NAME, SUFFIXES
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.digest import files_below, sha256
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError
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
        """The model's folder in the cache, with all its commits."""
        return self.access.cache / self.listing.folder_name

    def place(self, path: str) -> Path:
        """Return the path of the link to a file of this commit."""
        return self.folder / "snapshots" / self.listing.commit / path

    def blob(self, file: HubFile) -> Path:
        """Return the path of a file's content."""
        return self.folder / "blobs" / file.blob

    def find(self, path: str) -> Path | None:
        """Return the path of a file in the cache; `None` if it is not there in full length."""
        place, size = self.place(path), self.listing.files[path].size
        with suppress(OSError):
            if place.stat().st_size == size:
                return place
        return None

    def here(self) -> Mapping[str, Path]:
        """Map the path of each cached file in the model to its path in the cache."""
        found = {path: self.find(path) for path in self.listing.files}
        return {path: place for path, place in found.items() if place}

    def is_damaged(self, path: str) -> bool:
        """Whether a cached file's hash differs from the one that the hub states."""
        stated = self.listing.files[path].sha256
        return bool(stated) and sha256(self.place(path)) != stated

    def discard(self, path: str) -> None:
        """Delete a damaged file from the cache, both its link and its content."""
        place = self.place(path)
        with translate_os_errors(place):
            place.resolve().unlink(missing_ok=True)
            place.unlink(missing_ok=True)

    def choose_target(self, path: str) -> Wanted:
        """Return what is needed to download a file, such as its address and its target."""
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
        """Link a downloaded file under its path in the model, as the hub's own programs do."""
        place, blob = self.place(path), self.blob(self.listing.files[path])
        with translate_os_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            with suppress(FileExistsError):  # another program linked it just now
                place.symlink_to(os.path.relpath(blob, place.parent))
        return place

    def remember(self) -> None:
        """Record that the branch is at this commit, so that the commit can be found offline."""
        revision = self.listing.name.revision or NEWEST
        if revision == self.listing.commit:
            return
        ref = self.folder / "refs" / revision
        with translate_os_errors(ref):
            ref.parent.mkdir(parents=True, exist_ok=True)
            write_text(ref, self.listing.commit)


def list_cached(name: HubName, access: Access) -> Listing | None:
    """List a model's files in the cache, at the revision in `name`; `None` if weights are missing.

    An interrupted download, or a look at the headers alone, leaves a model without them.
    """
    blank = Listing(name=name, commit="", files={})
    folder = access.cache / blank.folder_name
    commit = _commit(folder, name.revision or NEWEST)
    snapshot = folder / "snapshots" / commit
    if not commit or not snapshot.is_dir():
        return None
    files = {}
    for place in files_below(snapshot):
        path = place.relative_to(snapshot).as_posix()
        files[path] = _file(path, place)
    if not _suffices(snapshot, files, name.file):
        return None
    card = snapshot / CARD
    licence = _licence(card) if card.is_file() else ""
    return Listing(name=name, commit=commit, files=files, licence=licence)


def _suffices(snapshot: Path, files: Collection[str], file: str) -> bool:
    """Return True if the cached `files` suffice for a conversion of the model, or of one file."""
    if file:
        return file in files
    if INDEX_NAME not in files:
        return any("/" not in path and Path(path).suffix.lower() in SUFFIXES for path in files)
    with suppress(BadInputError):  # whoever reads the model says what is wrong with its index
        index = snapshot / INDEX_NAME
        entries = parse_json(read_text(index, Document.CONFIG), index)
        if isinstance(entries, dict):
            parts = (part for part in WITH_WEIGHTS if any(entries.get(part) or ()))
            return have_weights(files, parts)
    return True


def _commit(folder: Path, revision: str) -> str:
    """Return the commit that a revision has in the cache; "" if it is unknown or ambiguous."""
    ref = folder / "refs" / revision
    if ref.is_file():
        return read_text(ref, Document.CONFIG).strip()
    known = sorted(path.name for path in (folder / "snapshots").glob(f"{revision}*"))
    return known[0] if len(known) == 1 and len(known[0]) == _COMMIT else ""


def _file(path: str, place: Path) -> HubFile:
    """Describe a cached file; the name of a large file's blob is its SHA-256."""
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

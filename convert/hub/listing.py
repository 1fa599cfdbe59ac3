"""Lists a model on the hub: its files with sizes and hashes, its commit and its licence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sdcoreml.convert.hub.access import Access, library
from sdcoreml.convert.hub.failures import Asked
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.web import Web
from sdcoreml.ground.errors import FetchError

NEWEST = "main"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256, _GIT = re.compile(r"([0-9a-f]{64})?"), re.compile(r"([0-9a-f]{40})?")
_LARGEST = 1 << 62
"""A size in bytes that no file has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file on the hub: path, size in bytes, and SHA-256 or, for a small file, git's hash."""

    path: str
    size: int
    sha256: str = ""
    git: str = ""

    @property
    def blob(self) -> str:
        """The name of the file's content in the hub's cache: the hash that is also its ETag."""
        return self.sha256 or self.git


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files of a model at one commit, by their paths, and the model's licence."""

    name: HubName
    commit: str
    files: Mapping[str, HubFile]
    licence: str = ""

    @property
    def folder_name(self) -> str:
        """The name of this model's folder in the hub's cache."""
        return f"models--{self.name.repo.replace('/', '--')}"


def list_model(name: HubName, access: Access, web: Web) -> Listing:
    """Ask the hub for the list of a model's files.

    Raises:
        FetchError: the hub cannot be reached, or refuses access.
        BadInputError: the hub has no such model or revision.
    """
    url = f"{access.hub}/api/models/{name.repo}/revision/{quote(name.revision or NEWEST, safe='')}"
    asked = Asked(name=name, server=access.hub, has_token=bool(access.hub_token))
    answer = web.get_json(f"{url}?blobs=true", asked, access.hub_token)
    try:
        return _read(name, answer)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FetchError(
            f"unexpected answer from the hub ({type(error).__name__}: {error})",
            where=access.hub,
            remedy="set HF_ENDPOINT to another server",
        ) from error


def _read(name: HubName, answer: Any) -> Listing:  # noqa: ANN401  JSON
    info = library().ModelInfo(**answer)
    if not info.sha or info.siblings is None:
        raise ValueError("it has no commit or no file list")
    if not _COMMIT.fullmatch(info.sha):
        raise ValueError(f"its commit is {info.sha!r}")
    files = {file.path: file for file in map(_read_file, info.siblings)}
    card = info.card_data.to_dict() if info.card_data else {}
    return Listing(name=name, commit=str(info.sha), files=files, licence=licence_of(card))


def _read_file(said: Any) -> HubFile:  # noqa: ANN401  a row of the library's
    """Check a row of the file list; its path and hashes become names in the cache."""
    path = said.rfilename
    if not (path and path.isprintable()) or ".." in Path(path).parts or path.startswith("/"):
        raise ValueError(f"a file lies outside of the model: {path!r}")
    size = (said.lfs.size if said.lfs else said.size) or 0
    sha256, git = (said.lfs.sha256 if said.lfs else None) or "", said.blob_id or ""
    if not isinstance(size, int) or not 0 <= size < _LARGEST:
        raise ValueError(f"{path} has the size {size!r}")
    if not _SHA256.fullmatch(sha256) or not _GIT.fullmatch(git):
        raise ValueError(f"{path} has a hash that is none")
    return HubFile(path=path, size=size, sha256=sha256, git=git)


def licence_of(card: Mapping[str, Any]) -> str:
    """Return the licence's name from the metadata of a model card; "" if none is stated."""
    said, own = card.get("license"), card.get("license_name")
    if isinstance(said, list):
        said = ", ".join(map(str, said))
    return str(own if own and said in (None, "other") else said or "")

"""Parses what a user gave as the model: a path, a name on the hub, an address, or a plain word."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from sdcoreml.convert.models.files import SUFFIXES
from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.places import can_exist, expand_home

HUB_HOSTS = frozenset({"huggingface.co", "hf.co", "www.huggingface.co"})
CIVITAI_HOSTS = frozenset({"civitai.com", "www.civitai.com"})
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_REPO = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_REVISION = r"[\w][\w./-]*"
_HUB = re.compile(rf"(?P<repo>{_REPO})(?:/(?P<file>[^@]+))?(?:@(?P<revision>{_REVISION}))?")
_BARE = re.compile(rf"(?P<repo>{_REPO})(?:@(?P<revision>{_REVISION}))?")
_VERSION = re.compile(r"(?:\d+@)?(?P<version>\d+)")
_EXAMPLE = "give it as owner/name, or owner/name@revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubName:
    """A model on the hub.

    `repo` is `owner/name`, `revision` a branch, tag or commit ("" for the newest), and `file` one
    of the model's files, if only that was asked for.
    """

    repo: str
    revision: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        """Refuse a revision or file whose path leads out of the model's folder in the cache."""
        if {"..", "", "."} & {*(self.revision or "x").split("/"), *(self.file or "x").split("/")}:
            raise UsageError("is not a name on the hub", where=f"{self}", remedy=_EXAMPLE)

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"{self.repo}/{self.file}{at}" if self.file else f"{self.repo}{at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAddress:
    """The address of a single file on the web."""

    url: str

    def __str__(self) -> str:
        return hide_credentials(self.url)

    @property
    def file(self) -> str:
        """The file's name, decoded from the address."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class CivitaiName:
    """A version of a model on Civitai, identified by its number."""

    version: str

    def __str__(self) -> str:
        return f"civitai:{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainWord:
    """A word without a slash that is not a path; it may name a model that another program keeps."""

    word: str

    def __str__(self) -> str:
        return self.word


ModelName: TypeAlias = HubName | FileAddress | CivitaiName | PlainWord


def parse_model(text: str, hub_hosts: Collection[str] = HUB_HOSTS) -> Path | ModelName:
    """Parse a model as given on the command line; an existing path takes precedence over a name.

    `hub_hosts` are the hosts that count as the hub.

    Raises:
        UsageError: `text` begins like an address or with `hf:` or `civitai:`, but is not valid.
    """
    scheme, _, rest = text.partition(":")
    if scheme in ("http", "https"):
        return _of_address(text, hub_hosts)
    path = expand_home(text)
    if not can_exist(path) or path.exists() or path.is_symlink():
        return path
    if scheme == "hf" and rest:
        return _of_hub(rest.removeprefix("//"), text)
    if scheme == "civitai" and rest:
        if found := _VERSION.fullmatch(rest):
            return CivitaiName(version=found["version"])
        raise UsageError("is not a version number", where=text, remedy="give it as civitai:128713")
    return _of_words(text, path)


def _of_words(text: str, path: Path) -> Path | ModelName:
    """Parse text without a scheme: a path that does not exist, or a name."""
    is_file = path.suffix.lower() in SUFFIXES
    found = _BARE.fullmatch(text)
    if found and not is_file and not path.parent.is_dir():
        return HubName(repo=found["repo"], revision=found["revision"] or "")
    if not is_file and re.fullmatch(r"\w[\w .()+-]*", text):
        return PlainWord(word=text)
    return path


def _of_hub(rest: str, text: str) -> HubName:
    if found := _HUB.fullmatch(rest):
        return HubName(
            repo=found["repo"], revision=found["revision"] or "", file=found["file"] or ""
        )
    raise UsageError("is not a name on the hub", where=text, remedy=_EXAMPLE)


def _of_address(text: str, hub_hosts: Collection[str]) -> ModelName:
    parts = urlsplit(text)
    host = parts.hostname or ""
    if host in hub_hosts:
        return _of_hub_address(parts.path, text)
    if host in CIVITAI_HOSTS:
        return _of_civitai_address(parts.path, parts.query, text)
    if parts.scheme == "http" and host not in _LOCAL:
        raise UsageError(
            "a download over http could be tampered with on the way",
            where=hide_credentials(text),
            remedy="give an https address",
        )
    return FileAddress(url=text)


def _of_hub_address(path: str, text: str) -> HubName:
    """Parse the path of an address on the hub.

    It is `/owner/name`, `/owner/name/tree/REVISION` or `/owner/name/blob/REVISION/FILE`.
    """
    owner, name, *rest = [*unquote(path).strip("/").split("/"), ""]
    if not re.fullmatch(_REPO, f"{owner}/{name}") or owner in ("datasets", "spaces"):
        raise UsageError("is not the address of a model on the hub", where=text, remedy=_EXAMPLE)
    match rest:
        case ["tree", revision, *_]:
            return HubName(repo=f"{owner}/{name}", revision=revision)
        case ["blob" | "resolve", revision, *file, _] if file:
            return HubName(repo=f"{owner}/{name}", revision=revision, file="/".join(file))
    return HubName(repo=f"{owner}/{name}")


def _of_civitai_address(path: str, query: str, text: str) -> CivitaiName:
    """Parse an address on Civitai: `/models/N?modelVersionId=V` or `/api/download/models/V`."""
    if found := re.fullmatch(r"/api/download/models/(\d+)", path):
        return CivitaiName(version=found[1])
    if version := parse_qs(query).get("modelVersionId"):
        return CivitaiName(version=version[0])
    raise UsageError(
        "does not say which version of the model",
        where=text,
        remedy="choose one on that page: its address then ends with modelVersionId=NUMBER",
    )

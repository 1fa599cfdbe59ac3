"""Finds a repository's objects, commit and origin by reading its files, without git."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.upstream.objects import Objects, read_regular

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SMALL = 1 << 20
_SYMBOLIC = 5
"""The length limit of a chain of symbolic references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A git repository: its git directory, and `common`, the part that linked worktrees share."""

    git: Path
    common: Path

    @property
    def objects(self) -> Objects:
        """The repository's objects."""
        return Objects(self.common / "objects")

    @property
    def is_shallow(self) -> bool:
        """True for a shallow repository, which lacks history."""
        return (self.common / "shallow").is_file()

    def commit(self) -> str:
        """The commit of HEAD; "" if there is none yet."""
        name = "HEAD"
        for _ in range(_SYMBOLIC):
            said = self._reference(name)
            if _COMMIT.fullmatch(said):
                return said
            if not said.startswith("ref: "):
                return ""
            name = said.removeprefix("ref: ").strip()
        return ""

    def origin(self) -> str:
        """The URL of the remote `origin`, or ""; included configuration files are not read."""
        inside, url = False, ""
        for line in _text(self.common / "config").splitlines():
            words = line.strip()
            if words.startswith("["):
                inside = words.replace(" ", "").startswith('[remote"origin"]')
            elif inside and re.match(r"url\s*=", words):
                url = words.partition("=")[2].strip().strip('"')
        return url

    def _reference(self, name: str) -> str:
        if ".." in name or name.startswith("/"):
            return ""
        for folder in (self.git, self.common):
            if said := _text(folder / name).strip():
                return said
        for line in _text(self.common / "packed-refs").splitlines():
            commit, _, named = line.partition(" ")
            if named.strip() == name:
                return commit
        return ""


def find_repository(folder: Path) -> Repository | None:
    """Find the repository of a work tree, or a bare one; `None` for a folder that is neither."""
    git = folder / ".git"
    if git.is_file():
        named = _text(git).removeprefix("gitdir:").strip()
        git = folder / named
    elif not git.is_dir():
        git = folder
    shared = _text(git / "commondir").strip()
    common = git / shared if shared else git
    is_one = (common / "objects").is_dir() and (git / "HEAD").exists()
    return Repository(git=git, common=common) if is_one else None


def _text(path: Path) -> str:
    return os.fsdecode(read_regular(path, _SMALL) or b"")

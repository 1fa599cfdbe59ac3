"""Reads git's objects without git, so that no command in a repository's configuration can run.

Each object is checked against its name, the SHA-1 of its content. Loose objects are read here,
packs by gitdb, which comes with GitPython. Only regular files are opened.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdcoreml.ground.errors import BadInputError

LARGEST = 64 << 20
"""The size limit of objects and of a checkout's files in bytes; upstream's largest is 2.3 MB."""

DEEPEST = 8
"""The longest chain of object folders (`objects/info/alternates`) that is followed."""

_SYMLINK, _EXECUTABLE, _FILE, _FOLDER = 0o120000, 0o100755, 0o100644, 0o40000
MODES = frozenset({_SYMLINK, _EXECUTABLE, _FILE})
_FORBIDDEN = frozenset({"", ".", "..", ".git"})
_NAME = 20
"""The length of an object's name in a tree, in bytes."""
MOST = 100_000
"""The limit of entries in a commit: trees that repeat each other could yield any number."""
_HEX = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file in a git tree: its mode (`MODES`) and the name of its blob."""

    mode: int
    blob: str


@dataclass(frozen=True, slots=True)
class Objects:
    """Reads the objects of a repository from the folder `objects` of its git directory."""

    folder: Path
    _packs: dict[Path, list[Any]] = field(default_factory=dict)

    def read(self, kind: str, name: str) -> bytes:
        """Read an object and check its content against its name.

        Raises:
            BadInputError: the object is missing, damaged, or of another kind.
        """
        for folder in self._folders():
            found = _read_loose(folder, name) or self._read_packed(folder, name)
            if found is not None and found[0] == kind:
                if name_object(kind, found[1]) != name:
                    raise BadInputError(
                        f"object {name} is damaged", where=folder, remedy="clone it again"
                    )
                return found[1]
        raise BadInputError(
            f"has no {kind} {name}", where=self.folder, remedy="fetch that commit there first"
        )

    def files_of(self, commit: str) -> Mapping[str, Entry]:
        """Map the path of every file of a commit to its entry.

        Raises:
            BadInputError: an object is missing, or a tree contains an invalid file name.
        """
        return {path: entry for path, entry in self._entries(commit) if path}

    def trees_of(self, commit: str) -> tuple[str, ...]:
        """Return the names of a commit's trees, the root first; raises as `files_of` does."""
        return tuple(entry.blob for path, entry in self._entries(commit) if not path)

    def _entries(self, commit: str) -> Iterator[tuple[str, Entry]]:
        for number, entry in enumerate(self._walk(self._root(commit), "")):
            if number == MOST:
                raise BadInputError(
                    f"commit {commit} has more than {MOST:,} files and folders",
                    where=self.folder,
                    remedy="give a clone of the upstream repository",
                )
            yield entry

    def _root(self, commit: str) -> str:
        first, _, _ = self.read("commit", commit).partition(b"\n")
        name = first.removeprefix(b"tree ").decode("ascii", "replace")
        if not _HEX.fullmatch(name):
            raise BadInputError(
                f"commit {commit} names no tree", where=self.folder, remedy="clone it again"
            )
        return name

    def _walk(self, tree: str, above: str) -> Iterator[tuple[str, Entry]]:
        """Yield the tree itself, with an empty path, then everything below it except submodules."""
        yield "", Entry(mode=_FOLDER, blob=tree)
        try:
            entries = tuple(_parse_tree(self.read("tree", tree)))
        except ValueError:
            raise BadInputError(
                f"tree {tree} has an entry without a mode",
                where=self.folder,
                remedy="clone it again",
            ) from None
        for name, entry in entries:
            if name.casefold() in _FORBIDDEN or "/" in name or above.count("/") > DEEPEST:
                raise BadInputError(
                    f"tree {tree} names a file {name!r}",
                    where=self.folder,
                    remedy="give a clone of the upstream repository",
                )
            if entry.mode == _FOLDER:
                yield from self._walk(entry.blob, f"{above}{name}/")
            elif entry.mode in MODES:
                yield f"{above}{name}", entry

    def _folders(self) -> Iterator[Path]:
        """Yield this folder, then those from which it borrows objects (`info/alternates`)."""
        known = [self.folder]
        for folder in known:
            yield folder
            borrowed = read_regular(folder / "info" / "alternates") or b""
            for line in os.fsdecode(borrowed).splitlines():
                path = folder / line
                if line and not line.startswith("#") and path not in known[:DEEPEST]:
                    known.append(path)
            del known[DEEPEST:]

    def _read_packed(self, folder: Path, name: str) -> tuple[str, bytes] | None:
        if folder not in self._packs:
            self._packs[folder] = list(_open_packs(folder / "pack"))
        for pack in self._packs[folder]:
            index = pack.index().sha_to_index(bytes.fromhex(name))
            if index is None:
                continue
            found = pack.stream_at_index(index)
            if found.size > LARGEST:
                return None
            return found.type.decode(), found.read()
        return None


def name_object(kind: str, content: bytes) -> str:
    """Compute the name of an object of this kind and content."""
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _parse_tree(content: bytes) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of a tree: names of files, folders and submodules."""
    while content:
        head, _, rest = content.partition(b"\0")
        mode, _, name = head.partition(b" ")
        yield os.fsdecode(name), Entry(mode=int(mode, 8), blob=rest[:_NAME].hex())
        content = rest[_NAME:]


def read_regular(path: Path, largest: int = LARGEST) -> bytes | None:
    """Read a regular file; `None` if it is not one, is too large, or cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    with os.fdopen(handle, "rb") as stream:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > largest:
            return None
        try:
            return stream.read(largest)
        except OSError:
            return None


def _read_loose(folder: Path, name: str) -> tuple[str, bytes] | None:
    packed = read_regular(folder / name[:2] / name[2:])
    if packed is None:
        return None
    try:
        content = zlib.decompressobj().decompress(packed, LARGEST)
    except zlib.error:
        return "", b""  # damaged: of no kind
    head, _, body = content.partition(b"\0")
    return head.partition(b" ")[0].decode("ascii", "replace"), body


def _open_packs(folder: Path) -> Iterator[Any]:
    """Yield every pack of a folder, as `gitdb.pack.PackEntity`."""
    paths = sorted(folder.glob("*.idx"))
    whole = [path for path in paths if _is_regular(path) and _is_regular(path.with_suffix(".pack"))]
    if not whole:
        return
    try:
        from gitdb.pack import PackEntity  # type: ignore[import-untyped]
    except ImportError:  # a bare Python
        raise BadInputError(
            "its objects are in packs, which only GitPython reads here",
            where=folder,
            remedy="run `sdcoreml doctor` from the tool's own environment",
        ) from None

    yield from (PackEntity(str(path.with_suffix(".pack"))) for path in whole)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False

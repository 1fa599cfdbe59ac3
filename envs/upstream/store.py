"""Keeps the tested commit of the upstream converter: obtains it, checks every byte, repairs it.

.envs/upstream-<commit>/        the work tree of the commit
.envs/upstream-<commit>/.git    a shallow repository of that commit alone, written without git

The files are written here from objects whose hashes were checked; git itself runs only to fetch
them from a URL into an empty repository of ours.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.kept.store import remove
from sdcoreml.envs.upstream.checkout import differences
from sdcoreml.envs.upstream.fetch import fetch, is_address
from sdcoreml.envs.upstream.objects import Entry, Objects, name_object, read_regular
from sdcoreml.envs.upstream.repository import find_repository
from sdcoreml.ground.aside import flush_folder, flush_tree, scratch_folder
from sdcoreml.ground.errors import BadInputError, EnvError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.locks import lock_file
from sdcoreml.ground.places import environments_folder
from sdcoreml.ground.refusals import translate_store_errors
from sdcoreml.lockfiles.toolchain import Upstream

PREFIX = "upstream-"
_SHORT = 12
_OWN = frozenset({"HEAD", "config", "index", "objects", "refs", "shallow"})
"""The entries of the `.git` folder that we write: no hooks, no alternates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The kept commit; `changed` are the paths below `path` that differ from it.

    `was` says what `obtain` did: "there" (nothing), "obtained" or "repaired".
    """

    path: Path
    commit: str
    changed: tuple[str, ...] = ()
    was: str = "there"


def place(commit: str, folder: Path | None = None) -> Path:
    """Return the path at which a commit is kept in `folder`."""
    return (folder or environments_folder()) / f"{PREFIX}{commit[:_SHORT]}"


def examine(upstream: Upstream, folder: Path | None = None) -> Kept | None:
    """Compare the kept commit with its objects; `None` if it is not kept at all."""
    path = place(upstream.commit, folder)
    if not path.is_dir():
        return None
    return Kept(path=path, commit=upstream.commit, changed=tuple(sorted(_faults(path, upstream))))


def obtain(
    upstream: Upstream, source: str = "", folder: Path | None = None, emit: Emit = silent
) -> Kept:
    """Return the tested commit, intact: unchanged, repaired, or fetched from `source`.

    Args:
        upstream: the commit, and the repository that has it.
        source: the URL or path of a repository; by default that of `upstream`.
        folder: the folder of environments.
        emit: receives the progress.

    Raises:
        UnreachableError: the source cannot be reached; nothing was changed.
        BadInputError: the source has no such commit; nothing was changed.
    """
    path = place(upstream.commit, folder)

    def notice(owner: str) -> None:
        text = f"another process ({owner}) is bringing the upstream commit; waiting for it"
        emit(Event(kind="note", text=text))

    with translate_store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_file(path.with_name(f".{path.name}.lock"), notice):
            found = examine(upstream, folder)
            if found is not None and not found.changed:
                return found
            _bring(upstream, source, path, emit)
    made = examine(upstream, folder)
    if made is None or made.changed:
        raise EnvError(
            "the files just written differ from the commit", where=path, remedy="try again"
        )
    return Kept(
        path=path, commit=upstream.commit, was="repaired" if found is not None else "obtained"
    )


def _bring(upstream: Upstream, source: str, path: Path, emit: Emit) -> None:
    """Write the commit to `path`, from its own objects if they are intact, else from `source`."""
    with scratch_folder(path) as part:
        objects = _own_objects(path, upstream)
        if objects is None:
            objects = _source_objects(upstream, source, part / "fetched.git", emit)
        emit(Event(kind="step", text=f"write {path.name}"))
        write_checkout(part / "checkout", upstream, objects)
        flush_tree(part / "checkout")
        if path.exists():
            remove(path)
        (part / "checkout").replace(path)
        flush_folder(path.parent)


def _own_objects(path: Path, upstream: Upstream) -> Objects | None:
    """Return the kept repository's objects, if all of the commit are intact."""
    objects = Objects(path / ".git" / "objects")
    try:
        for entry in objects.files_of(upstream.commit).values():
            objects.read("blob", entry.blob)
    except BadInputError:
        return None
    return objects


def _source_objects(upstream: Upstream, source: str, scratch: Path, emit: Emit) -> Objects:
    """Return the objects of a local repository, or fetch them from a URL."""
    asked = source or upstream.repository
    if is_address(asked):
        return fetch(asked, upstream.commit, scratch, emit)
    repository = find_repository(Path(asked))
    if repository is None:
        raise BadInputError(
            "is not a git repository", where=asked, remedy="give a clone of the upstream repository"
        )
    return repository.objects


def write_checkout(folder: Path, upstream: Upstream, objects: Objects) -> None:
    """Write the work tree and the repository of the commit into a new folder."""
    files = objects.files_of(upstream.commit)
    for path, entry in files.items():
        content = objects.read("blob", entry.blob)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(entry.mode):
            target.symlink_to(os.fsdecode(content))
        else:
            target.write_bytes(content)
            target.chmod(stat.S_IMODE(entry.mode))
        _write_object(folder, "blob", content)
    _write_object(folder, "commit", objects.read("commit", upstream.commit))
    for tree in objects.trees_of(upstream.commit):
        _write_object(folder, "tree", objects.read("tree", tree))
    git = folder / ".git"
    (git / "refs").mkdir(parents=True)
    for name, text in _texts(upstream).items():
        (git / name).write_text(text, encoding="utf-8")
    (git / "index").write_bytes(_index(files))


def _write_object(folder: Path, kind: str, content: bytes) -> None:
    name = name_object(kind, content)
    path = folder / ".git" / "objects" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content, 1))


def _texts(upstream: Upstream) -> Mapping[str, str]:
    """Return the text files of the repository, such as HEAD and config."""
    config = (
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
        f'[remote "origin"]\n\turl = {upstream.repository}\n'
        "\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    )
    commit = f"{upstream.commit}\n"
    return {"HEAD": commit, "shallow": commit, "config": config}


def _index(files: Mapping[str, Entry]) -> bytes:
    """Return git's index, version 2, without file times, which git fills in itself."""
    content = b"DIRC" + struct.pack(">II", 2, len(files))
    for path, entry in sorted(files.items(), key=lambda item: os.fsencode(item[0])):
        name = os.fsencode(path)
        line = struct.pack(">6I", *(0,) * 6) + struct.pack(">4I", entry.mode, 0, 0, 0)
        line += bytes.fromhex(entry.blob) + struct.pack(">H", min(len(name), 0xFFF)) + name
        content += line + b"\0" * (8 - len(line) % 8)
    return content + hashlib.sha1(content, usedforsecurity=False).digest()


def _faults(path: Path, upstream: Upstream) -> Iterator[str]:
    """Yield the paths of the kept commit that differ from what we wrote."""
    git = path / ".git"
    for name, text in _texts(upstream).items():
        if read_regular(git / name) != text.encode():
            yield f".git/{name}"
    if git.is_dir():
        yield from (f".git/{one.name}" for one in git.iterdir() if one.name not in _OWN)
    if (git / "objects" / "info").exists():
        yield ".git/objects/info"
    try:
        files = Objects(git / "objects").files_of(upstream.commit)
    except BadInputError:
        yield ".git/objects"
    else:
        yield from differences(path, files)

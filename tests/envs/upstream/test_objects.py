from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.envs.upstream.objects import Entry, Objects, name_object, read_regular
from sdcoreml.envs.upstream.repository import find_repository
from sdcoreml.ground.errors import BadInputError
from tests.upstreams import ADDRESS, FILES, git, make_repository

HELLO = "ce013625030ba8dba906f756967f9e9ca394464a"
"""The output of `echo hello | git hash-object --stdin`."""


def test_an_object_is_named_as_git_names_it() -> None:
    assert name_object("blob", b"hello\n") == HELLO


def as_it_is(folder: Path) -> Path:
    return folder


def packed(folder: Path) -> Path:
    git(folder, "gc", "-q", "--prune=now")
    assert not list((folder / ".git/objects").glob("??"))
    return folder


def borrowed(folder: Path) -> Path:
    git(folder.parent, "clone", "-q", "--shared", str(folder), "borrower")
    return folder.with_name("borrower")


def linked(folder: Path) -> Path:
    git(folder, "worktree", "add", "-q", "--detach", str(folder.with_name("linked")))
    return folder.with_name("linked")


def bare(folder: Path) -> Path:
    git(folder.parent, "clone", "-q", "--bare", str(folder), "bare")
    return folder.with_name("bare")


@pytest.mark.parametrize("change", [as_it_is, packed, borrowed, linked, bare])
def test_the_files_of_a_commit_however_a_repository_keeps_them(
    tmp_path: Path, change: Callable[[Path], Path]
) -> None:
    upstream = make_repository(tmp_path / "source")
    repository = find_repository(change(tmp_path / "source"))
    assert repository is not None
    assert repository.commit() == upstream.commit
    files = repository.objects.files_of(upstream.commit)
    assert set(files) == {*FILES, "run.sh", "link"}
    assert files["run.sh"].mode == 0o100755
    assert files["link"].mode == 0o120000
    assert repository.objects.read("blob", files["README.md"].blob) == b"a stand-in\n"


def test_packs_without_gitpython_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = make_repository(tmp_path / "source")
    packed(tmp_path / "source")
    monkeypatch.setitem(sys.modules, "gitdb.pack", None)
    with pytest.raises(BadInputError, match="which only GitPython reads"):
        Objects(tmp_path / "source/.git/objects").files_of(upstream.commit)


def test_a_repository_says_where_it_comes_from_and_includes_nothing(tmp_path: Path) -> None:
    make_repository(tmp_path / "source")
    config = tmp_path / "source/.git/config"
    git(tmp_path / "source", "remote", "add", "other", "https://other.example")
    (tmp_path / "more").write_text('[remote "origin"]\nurl = included\n')
    git(tmp_path / "source", "config", "include.path", str(tmp_path / "more"))
    repository = find_repository(tmp_path / "source")
    assert repository is not None
    assert (repository.origin(), repository.is_shallow) == ("", False)
    config.write_text(f'{config.read_text()}[remote "origin"]\n\turl = {ADDRESS}\n')
    assert repository.origin() == ADDRESS


def test_no_repository(tmp_path: Path) -> None:
    (tmp_path / "HEAD").write_text("")
    assert find_repository(tmp_path) is None


def test_an_object_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    upstream = make_repository(tmp_path / "source")
    objects = Objects(tmp_path / "source/.git/objects")
    files = objects.files_of(upstream.commit)
    wrong = tmp_path / "source/.git/objects" / files["setup.py"].blob[:2]
    right = tmp_path / "source/.git/objects" / files["README.md"].blob[:2]
    (one,), (other,) = wrong.iterdir(), right.iterdir()
    one.chmod(0o644)
    one.write_bytes(other.read_bytes())
    with pytest.raises(BadInputError, match="is damaged"):
        objects.read("blob", files["setup.py"].blob)
    one.write_bytes(b"not zlib")
    with pytest.raises(BadInputError, match="has no blob"):
        objects.read("blob", files["setup.py"].blob)


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "a/b", ""])
def test_a_tree_that_names_a_place_outside_is_refused(tmp_path: Path, name: str) -> None:
    tree = b"100644 " + name.encode() + b"\0" + bytes.fromhex(HELLO)

    class Hostile(Objects):
        def read(self, kind: str, name: str) -> bytes:  # noqa: ARG002  any object
            return {"commit": b"tree " + b"0" * 40, "tree": tree}[kind]

    with pytest.raises(BadInputError, match="names a file"):
        Hostile(tmp_path).files_of(HELLO)


def test_trees_that_repeat_each_other_end(tmp_path: Path) -> None:
    class Repeating(Objects):
        def read(self, kind: str, name: str) -> bytes:
            if kind == "commit":
                return b"tree " + b"0" * 40
            level = int(name[0])  # each has the one below it eight times: two million in all
            below = bytes.fromhex(f"{level + 1}".ljust(40, "0"))
            return b"".join(b"40000 %d\0" % one + below for one in range(8)) if level < 7 else b""

    with pytest.raises(BadInputError, match="more than 100,000 files"):
        Repeating(tmp_path).files_of(HELLO)


@pytest.mark.parametrize(
    ("commit", "tree", "said"),
    [
        (b"tree ../../x\n", b"", "names no tree"),
        (b"tree " + b"0" * 40, b"x y\0" + b"0" * 20, "an entry without a mode"),
    ],
)
def test_objects_of_a_wrong_form_are_bad_input(
    tmp_path: Path, commit: bytes, tree: bytes, said: str
) -> None:
    class Malformed(Objects):
        def read(self, kind: str, name: str) -> bytes:  # noqa: ARG002  any object
            return {"commit": commit, "tree": tree}[kind]

    with pytest.raises(BadInputError, match=said):
        Malformed(tmp_path).files_of(HELLO)


def test_nothing_but_a_regular_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("four")
    (tmp_path / "link").symlink_to("file")
    read = [read_regular(tmp_path / name) for name in ("fifo", "link", "none", "file")]
    assert read == [None, None, None, b"four"]
    assert read_regular(tmp_path / "file", 4) == b"four"
    assert read_regular(tmp_path / "file", 3) is None


def test_an_entry_is_a_value() -> None:
    assert Entry(mode=0o100644, blob=HELLO) == Entry(mode=0o100644, blob=HELLO)

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import (
    Absent,
    Unknown,
)
from sdcoreml.doctor.core.tools import Checkout
from sdcoreml.doctor.gather.checkout import checkout
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.envs.upstream.store import obtain
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.upstreams import make_repository, make_toolchain

ORIGIN = "https://user:secret@example.org/apple/ml-stable-diffusion"


def git(path: Path, *words: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", *settings, "-C", str(path), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def repository(path: Path) -> str:
    """Make a git repository with one commit; return the commit's hash."""
    path.mkdir(exist_ok=True)
    git(path, "init", "-q")
    (path / "a.py").write_text("1\n")
    (path / "b.py").write_text("a file that is moved\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "one")
    git(path, "remote", "add", "origin", ORIGIN)
    return git(path, "rev-parse", "HEAD")


def read(path: Path) -> Checkout:
    found = checkout(str(path), Probe(environ={}))
    assert isinstance(found, Checkout)
    return found


def test_a_clean_checkout(tmp_path: Path) -> None:
    commit = repository(tmp_path)
    assert read(tmp_path) == Checkout(
        path=str(tmp_path),
        repository=True,
        commit=commit,
        remote="https://example.org/apple/ml-stable-diffusion",
        shallow=False,
        changed=(),
    )


def modified(path: Path) -> None:
    (path / "a.py").write_text("2\n")


def moved_and_untracked(path: Path) -> None:
    git(path, "mv", "b.py", "c.py")
    (path / "new").write_text("")


def removed_and_staged(path: Path) -> None:
    (path / "a.py").write_text("2\n")
    git(path, "add", "a.py")
    (path / "b.py").unlink()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (modified, ("a.py",)),
        (moved_and_untracked, ("b.py", "c.py", "new")),
        (removed_and_staged, ("a.py", "b.py")),
    ],
)
def test_what_was_changed(
    tmp_path: Path, change: Callable[[Path], None], expected: tuple[str, ...]
) -> None:
    repository(tmp_path)
    change(tmp_path)
    assert read(tmp_path).changed == expected


def test_a_shallow_clone_of_a_detached_commit(tmp_path: Path) -> None:
    source = tmp_path / "source"
    commit = repository(source)
    git(source, "commit", "-q", "--allow-empty", "-m", "two")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{source}", "clone")
    clone = read(tmp_path / "clone")
    assert (clone.shallow, clone.remote) == (True, f"file://{source}")
    git(source, "checkout", "-q", "--detach", commit)
    assert read(source).commit == commit


def test_a_linked_worktree_and_a_repository_without_a_commit(tmp_path: Path) -> None:
    commit = repository(tmp_path / "main")
    git(tmp_path / "main", "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    assert read(tmp_path / "linked").commit == commit
    git(tmp_path, "init", "-q", "fresh")
    fresh = read(tmp_path / "fresh")
    assert (fresh.repository, fresh.commit, fresh.remote) == (True, "", "")


@pytest.mark.parametrize("inner", ["plain", "main/inner", "main/.git", "bare"])
def test_a_folder_that_is_no_checkout(tmp_path: Path, inner: str) -> None:
    repository(tmp_path / "main")
    git(tmp_path, "init", "-q", "--bare", "bare")
    (tmp_path / inner).mkdir(exist_ok=True)
    assert not read(tmp_path / inner).repository


def test_a_damaged_repository_is_not_called_clean(tmp_path: Path) -> None:
    commit = repository(tmp_path)
    (tmp_path / ".git/objects" / commit[:2] / commit[2:]).unlink()
    found = checkout(str(tmp_path), Probe(environ={}))
    assert found == Unknown(reason=f"{tmp_path}: has no commit {commit}")


def test_what_use_leaves_is_no_change(tmp_path: Path) -> None:
    repository(tmp_path)
    for name in ("__pycache__", "x.egg-info", "venv", "shadow"):
        (tmp_path / name).mkdir()
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "shadow/__init__.py").touch()
    assert read(tmp_path).changed == ("shadow/",)


HOSTILE = """
[core]
\tfsmonitor = "touch {pwn}; false"
\thooksPath = {hooks}
\tpager = touch {pwn}
\tsshCommand = touch {pwn}
\tworktree = /
[filter "evil"]
\tclean = touch {pwn}
\tsmudge = touch {pwn}
\tprocess = touch {pwn}
[diff]
\texternal = touch {pwn}
[include]
\tpath = {fifo}
"""


def test_nothing_of_a_checkout_is_run_by_looking_at_it(tmp_path: Path) -> None:
    commit = repository(tmp_path / "evil")
    pwn, hooks, inside = tmp_path / "pwn", tmp_path / "hooks", tmp_path / "evil/.git"
    hooks.mkdir()
    for name in ("post-index-change", "fsmonitor-watchman", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {pwn}\n")
        (hooks / name).chmod(0o755)
    os.mkfifo(tmp_path / "fifo")
    words = HOSTILE.format(pwn=pwn, hooks=hooks, fifo=tmp_path / "fifo")
    (inside / "config").write_text((inside / "config").read_text() + words)
    (inside / "info").mkdir(exist_ok=True)
    (inside / "info/attributes").write_text("* filter=evil diff=evil\n")
    (tmp_path / "evil/a.py").write_text("changed\n")
    found = read(tmp_path / "evil")
    assert (found.commit, found.changed) == (commit, ("a.py",))
    assert not pwn.exists()


def test_where_a_checkout_is_named(tmp_path: Path) -> None:
    commit = repository(tmp_path)
    named = checkout("", Probe(environ={"SDCOREML_UPSTREAM": str(tmp_path)}))
    assert isinstance(named, Checkout)
    assert named.commit == commit
    assert not read(tmp_path / "none").repository


def test_the_tested_commit_in_the_store_is_looked_at_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    made = make_repository(tmp_path / "source")
    toolchain = str(make_toolchain(tmp_path / "tested", made))
    upstream = load_toolchain(toolchain).upstream
    assert checkout("", Probe(environ={}), toolchain) == Absent(
        reason="not needed unless --backend upstream"
    )
    path = obtain(upstream, str(tmp_path / "source")).path
    (path / "setup.py").unlink()
    assert checkout("", Probe(environ={}), toolchain) == Checkout(
        path=str(path),
        repository=True,
        commit=upstream.commit,
        remote=upstream.repository,
        shallow=True,
        changed=("setup.py",),
        kept=True,
    )
